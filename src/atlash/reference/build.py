"""From labelled cells to the parts of a reference."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from atlash.checks import check_name, checked_path, checked_seed
from atlash.codes.planes import MAX_BITS
from atlash.config import BuildConfig, InputConfig, Quantisation
from atlash.config.rare import loss_config
from atlash.data.source import open_sources
from atlash.errors import InputError
from atlash.models.family import Family
from atlash.models.learn import LearnReport, learn
from atlash.models.pretrained import PretrainedEncoder
from atlash.models.trainer import LearnOptions
from atlash.progress import n_threads_or_all
from atlash.reference.columns import CELL_ID, cells_table
from atlash.reference.encoding import encode_all
from atlash.reference.gather import gather
from atlash.reference.hierarchy import read_parents, split_labels_key
from atlash.reference.hierarchy_facts import hierarchy_facts
from atlash.reference.ids import unique_ids
from atlash.reference.labels import read_labels
from atlash.reference.mined import mined_frame, mining_story
from atlash.reference.rare_checks import check_rare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.config import LossConfig, LossName
    from atlash.data.source import Cells, CellSource
    from atlash.models.annotator import Annotator
    from atlash.reference.gather import Gathered
    from atlash.reference.labels import Labels

MAX_UNLABELLED = 20_000
"""Most cells without a label that are looked at where they are used."""
_RANGES: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    ("at least 1", lambda x: x >= 1, (
        "n_features", "n_members", "n_hidden", "n_hidden_2", "n_components",
        "n_component_members", "n_component_hidden", "n_steps", "batch_size",
        "n_pseudo_batches", "max_cells", "chunk_size",
    )),
    ("at least 2, so that cells can be held out", lambda x: x >= 2, ("n_folds",)),
    ("at least 0", lambda x: x >= 0, (
        "anchor_weight", "similarity_weight", "parent_weight", "quantisation_weight",
        "weight_decay",
        "gene_jitter", "mixup",
    )),
    ("above 0", lambda x: x > 0, (
        "learning_rate", "component_learning_rate", "similarity_scale", "upper", "max_epochs",
    )),
    ("from 0 to 1", lambda x: 0 <= x <= 1, (
        "marker_share", "thin_probability", "max_unlabelled",
    )),
    ("from 0 to below 1", lambda x: 0 <= x < 1, ("dropout", "class_balance", "parent_bits")),
    ("above 0 and at most 1", lambda x: 0 < x <= 1, ("thin_least",)),
    ("from 0 to below 0.5", lambda x: 0 <= x < 0.5, ("gene_dropout",)),
)  # fmt: skip
"""What must hold, and of which options; NaN and infinity are out of every range."""


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
    of_source = np.split(labels.codes, np.cumsum([source.n_cells for source in sources])[:-1])
    labelled = [
        (source, own) for source, own in zip(sources, of_source, strict=True) if own.max() >= 0
    ]
    codes = encode_all(
        [source for source, _ in labelled],
        annotator,
        options,
        n_threads=n_threads,
        progress=config.progress,
    )
    table = _table(labelled, labels.types, codes)
    mined = None
    if report.mined is not None:
        place = np.cumsum(labels.codes >= 0) - 1  # unlabelled cells are not in the table
        ids = table[CELL_ID].take(place[gathered.rows]).to_pylist()
        mined = mined_frame(report.mined, ids, labels=gathered.cells.labels, types=labels.types)
    meta = _meta(sources, labels, gathered, report, request) | hierarchy_facts(annotator, request)
    if encoder is not None:
        meta["fine_tuned_from"] = {
            "fingerprint": encoder.fingerprint,
            "n_steps": encoder.facts["learned"]["n_steps"],
            "n_cells": encoder.facts["n_cells"],
        }
    return annotator, table, meta, mined


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


def check_build_config(config: BuildConfig) -> None:
    """Raise :class:`InputError` if an option is out of its range."""
    train = config.train
    if train.n_bits is not None and (train.n_bits < 8 or train.n_bits % 8):
        msg = f"Codes of {train.n_bits} bits are not possible: give a multiple of 8, such as 64."
        raise InputError(msg)
    if train.n_detail_bits < 0 or train.n_detail_bits % 8:
        msg = f"`n_detail_bits` is {train.n_detail_bits}: give a multiple of 8, such as 64, or 0."
        raise InputError(msg)
    for name, n_bits, most in (
        ("n_bits", train.n_bits or 0, MAX_BITS),
        ("n_detail_bits", train.n_detail_bits, MAX_BITS - 64),
    ):
        if n_bits > most:
            msg = f"`{name}` is {n_bits}, but must be at most {most}: codes have {MAX_BITS} bits."
            raise InputError(msg)
    if train.quantisation not in get_args(Quantisation):
        forms = ", ".join(map(repr, get_args(Quantisation)))
        msg = f"`quantisation` is {train.quantisation!r}, but must be one of {forms}."
        raise InputError(msg)
    use_unlabelled: object = config.use_unlabelled  # what was given may be anything
    if not isinstance(use_unlabelled, bool):
        msg = f"`use_unlabelled` is {use_unlabelled!r}, but must be True or False."
        raise InputError(msg)
    check_rare(train)
    second_phase = train.mining is not None and train.mining.steps_share > 0
    if second_phase and config.encoder is not None:
        msg = (
            "`mining` learns hard cells in a second phase, which a pre-trained encoder has not. "
            "Leave out `mining` (--mine), or `encoder` (--encoder), or the second phase alone: "
            "MiningConfig(steps_share=0)."
        )
        raise InputError(msg)
    values = vars(train) | {
        "max_unlabelled": config.max_unlabelled,
        "chunk_size": config.chunk_size,
    }
    for wanted, holds, names in _RANGES:
        for name in names:
            if not (holds(values[name]) and values[name] < math.inf):
                msg = f"`{name}` is {values[name]}, but must be {wanted}."
                raise InputError(msg)


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


def _meta(
    sources: Sequence[CellSource],
    labels: Labels,
    gathered: Gathered,
    report: LearnReport,
    request: BuildRequest,
) -> dict[str, Any]:
    """Return how the reference was made, as plain JSON."""
    counts = np.bincount(labels.codes[labels.codes >= 0])
    train = request.config.train
    name = train.loss if isinstance(train.loss, str) else None
    training = asdict(train) | {"loss": {"name": name} | asdict(loss_config(train.loss))}
    return {
        "atlash_version": version("atlash"),
        "torch_version": version("torch"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels_key": split_labels_key(request.labels_key)[1],
        "batch_key": request.batch_key,
        "layer": request.layer,
        "gene_column": request.gene_column,
        "random_state": request.random_state,
        "training": training,
        "sources": [
            {"name": source.name, "n_cells": source.n_cells, "scale": scale.name,
             "scale_evidence": scale.evidence}
            for source, scale in zip(sources, gathered.scales, strict=True)
        ],
        "n_cells": int(counts.sum()),
        "n_unlabelled": labels.n_unlabelled,
        "n_trained_on": len(gathered.cells),
        "n_unlabelled_seen": gathered.cells.n_unlabelled,
        "types": {name: int(n) for name, n in zip(labels.types, counts, strict=True)},
        "learned": {
            "n_steps": report.n_steps,
            "interrupted": report.interrupted,
            "held_out_accuracy": report.held_out_accuracy,
            "anchors": asdict(report.anchors),
            **mining_story(report),
        },
    }  # fmt: skip
