"""From labelled cells to the parts of a reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.checks import check_name, checked_path, checked_seed
from atlash.config import InputConfig
from atlash.data.source import open_sources
from atlash.models.family import Family
from atlash.models.learn import learn
from atlash.models.pretrained import PretrainedEncoder
from atlash.models.trainer import LearnOptions
from atlash.progress import n_threads_or_all
from atlash.reference.build_checks import check_build_config
from atlash.reference.build_facts import build_facts, encoder_facts
from atlash.reference.columns import CELL_ID, cells_table
from atlash.reference.encoding import encode_all
from atlash.reference.gather import gather
from atlash.reference.hierarchy import read_parents, split_labels_key
from atlash.reference.hierarchy_facts import hierarchy_facts
from atlash.reference.ids import unique_ids
from atlash.reference.labels import read_labels
from atlash.reference.mined import mined_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.config import BuildConfig, LossConfig, LossName
    from atlash.data.source import Cells, CellSource
    from atlash.models.annotator import Annotator
    from atlash.models.learn import LearnReport
    from atlash.reference.gather import Gathered
    from atlash.reference.labels import Labels

MAX_UNLABELLED = 20_000
"""Most cells without a label that are looked at where they are used."""


@dataclass(frozen=True)
class BuildRequest:
    """What :meth:`atlash.Reference.build` was asked, without the cells."""

    labels_key: str | Sequence[str]
    batch_key: str | None
    layer: str | None
    gene_column: str | None
    random_state: int
    config: BuildConfig


def build_parts(
    cells: Cells | Sequence[Cells], request: BuildRequest
) -> tuple[Annotator, pa.Table, dict[str, Any], pd.DataFrame | None]:
    """Learn an annotator, encode all labelled cells, and write down how it was done.

    Returns
    -------
    Annotator, cells, facts, and what was mined, if it was.
    """
    request = _checked_request(request)
    request = _with_steps_of_fine_tuning(request)
    config = request.config
    check_build_config(config)
    encoder = None
    if config.encoder is not None:
        encoder = PretrainedEncoder.load(checked_path(config.encoder, name="encoder"))
    sources = open_sources(cells, request.layer)
    labels = read_labels(
        sources,
        split_labels_key(request.labels_key)[1],
        request.batch_key,
        max_unlabelled=1.0 if config.use_unlabelled else config.max_unlabelled,
        use_unlabelled=config.use_unlabelled,
    )
    parents = read_parents(sources, labels, request.labels_key, config=config)
    options = InputConfig(
        gene_column=request.gene_column, scale=config.scale, chunk_size=config.chunk_size
    )
    gathered = gather(
        sources,
        labels,
        options,
        max_cells=config.train.max_cells,
        max_unlabelled=MAX_UNLABELLED if config.use_unlabelled else 0,
        random_state=request.random_state,
    )
    n_threads = n_threads_or_all(config.n_threads)
    annotator, report = learn(
        gathered.cells,
        gathered.genes,
        labels.types,
        config=config.train,
        options=LearnOptions(
            config.device, request.random_state, n_threads, config.progress, encoder
        ),
        family=Family.of(parents) if parents else None,
    )
    labelled = [(s, own) for s, own in labels.by_source(sources) if (own >= 0).any()]
    codes = encode_all(
        [source for source, _ in labelled],
        annotator,
        options,
        n_threads=n_threads,
        progress=config.progress,
    )
    table = _table(labelled, labels.types, codes)
    meta = (
        build_facts(request, sources=sources, labels=labels, gathered=gathered, report=report)
        | hierarchy_facts(annotator, request)
        | encoder_facts(encoder)
    )
    return annotator, table, meta, _mined_table(report, table, labels, gathered)


def with_loss(config: BuildConfig, loss: LossName | LossConfig | None) -> BuildConfig:
    """Return the options with another loss, if one is given."""
    return config if loss is None else replace(config, train=replace(config.train, loss=loss))


def _checked_request(request: BuildRequest) -> BuildRequest:
    """Raise :class:`InputError` if seed or names are of another kind than they must be."""
    check_name(request.batch_key, "batch_key")
    check_name(request.layer, "layer")
    check_name(request.gene_column, "gene_column")
    return replace(request, random_state=checked_seed(request.random_state))


def _with_steps_of_fine_tuning(request: BuildRequest) -> BuildRequest:
    """Put the steps, batches and rate of fine-tuning, if there is any, in their place."""
    chosen = request.config.fine_tune
    if request.config.encoder is None:
        return request
    train = replace(
        request.config.train,
        n_steps=chosen.n_steps,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
    )
    return replace(request, config=replace(request.config, train=train))


def _table(
    labelled: Sequence[tuple[CellSource, NDArray[np.int64]]],
    types: list[str],
    codes: NDArray[np.uint8],
) -> pa.Table:
    """Return the labelled cells of sources, given the types of each one's cells (-1: none)."""
    kinds = np.concatenate([own for _, own in labelled])
    kept = np.flatnonzero(kinds >= 0)
    obs = pd.concat([source.obs for source, _ in labelled]).iloc[kept]
    names = pd.Categorical.from_codes(kinds[kept], categories=pd.Index(types))
    return cells_table(unique_ids(obs.index), codes[kept], names, obs=obs)


def _mined_table(
    report: LearnReport, table: pa.Table, labels: Labels, gathered: Gathered
) -> pd.DataFrame | None:
    """Return what was mined, by the names of cells; ``None`` if nothing was."""
    if report.mined is None:
        return None
    place = np.cumsum(labels.codes >= 0) - 1  # unlabelled cells are not in the table
    ids = table[CELL_ID].take(place[gathered.rows]).to_pylist()
    return mined_frame(report.mined, ids, labels=gathered.cells.labels, types=labels.types)
