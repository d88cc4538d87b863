"""Label cells from a reference."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.checks import check_option, checked_config
from atlash.config import AnnotateConfig, InputConfig
from atlash.data.columns import one_column
from atlash.data.source import open_source
from atlash.errors import KeyNotFoundError, did_you_mean
from atlash.keys import ASSIGNED, DEFAULT_PREFIX, REASONS, UNASSIGNED, AnnotationKeys
from atlash.models.annotator import Prediction
from atlash.models.back_off import answer_parents
from atlash.models.decide import Limits, reasons
from atlash.models.encode import bind_source, predict_chunks
from atlash.models.transductive import matched_to_query, vote_by_group
from atlash.progress import n_threads_or_all, track
from atlash.tl.checks import check_anndata, check_config, check_key_added
from atlash.tl.parents import parent_columns, with_parents
from atlash.tl.queries import check_reference
from atlash.tl.summary import summarise
from atlash.tl.written import put, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from atlash.data.normalize import BoundSource
    from atlash.data.source import Cells
    from atlash.models.annotator import Annotator
    from atlash.reference import Reference


@dataclass(frozen=True)
class Annotation:
    """What annotating gives: new columns and entries of an AnnData.

    Attributes
    ----------
    obs
        One row a cell, in the query's order.
    obsm
        Codes and conformal sets.
    uns
        Provenance.
    summary
        What was found, as plain JSON: labels, reasons, genes, speed.
    """

    obs: pd.DataFrame
    obsm: dict[str, Any]
    uns: dict[str, Any]
    summary: dict[str, Any]


def annotate(
    adata: AnnData,
    reference: Reference,
    *,
    layer: str | None = None,
    gene_column: str | None = None,
    force: bool = False,
    key_added: str = DEFAULT_PREFIX,
    config: AnnotateConfig | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Label each cell with the type of the most similar anchor.

    A cell's answer depends on that cell and the reference alone, never on the cells beside it
    (``config.vote`` and ``config.match_query`` change that, on request). Labels that the
    query may already have are neither needed nor touched.

    Parameters
    ----------
    adata
        Cells to label: counts, or normalised values on a linear or logarithmic scale.
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    gene_column
        Column of ``var`` with the gene identifiers, instead of its index.
    force
        Give every cell the label of its nearest type (with a hierarchy that of its likeliest
        parent, if the cell is unassigned); status and reason are written all the same.
    key_added
        Prefix of the keys that are written.
    config
        Further options; ``None`` stands for ``AnnotateConfig()``.
    copy
        Return an annotated copy, in memory, instead of writing to ``adata``.

    Returns
    -------
    ``None``, or the copy. Written are, with ``atlash`` as the prefix:

    ``obs["atlash_label"]`` : categorical
        The type (with ``config.vote`` that of the group), or ``"unassigned"``.
    ``obs["atlash_confidence"]`` : float32 in [0, 1]
        Calibrated probability that ``atlash_nearest`` is right, were the cell of a known type.
    ``obs["atlash_nearest"]``, ``obs["atlash_runner_up"]`` : categorical
        The most and the second most similar type, of assigned and unassigned cells alike.
    ``obs["atlash_margin"]`` : float32
        Bits by which the nearest anchor is nearer than the runner-up's.
    ``obs["atlash_novelty"]`` : float32, at least 0
        How unlike all of the reference: ``-log10`` of the share of held-out reference cells
        that look at least as novel, so 2 stands for one in a hundred.
    ``obs["atlash_status"]``, ``obs["atlash_reason"]`` : categorical
        ``"assigned"`` or ``"unassigned"``, and why: ``"out of reach"``, ``"between types"``,
        ``"too few genes"``.
    ``obs["atlash_parent"]``, ``obs["atlash_parent_confidence"]`` : categorical, float32 in [0, 1]
        From a reference with a hierarchy alone (without one, those of an earlier annotation are
        removed): the parent of the label, or ``"unassigned"``, and
        its calibrated probability. A cell between types whose likeliest parent has at least
        ``config.min_confidence`` has that parent, also as its label, and the status
        ``"parent only"``; see docs/hierarchy.md.
    ``obsm["atlash_codes"]`` : uint8 ``(n_obs, n_bytes)``
        Packed hash codes: the anchor part, then the detail part.
    ``obsm["atlash_sets"]`` : bool ``(n_obs, n_types)``
        Types that cannot be excluded at the 95 % level; columns as in ``uns["atlash"]["types"]``.
    ``uns["atlash"]`` : dict
        Types, versions, settings, fingerprint of the reference, how the input was read.

    Raises
    ------
    InputError
        If the cells cannot be used; the subclasses in :mod:`atlash.errors` say why. Nothing is
        written then.
    """
    config = checked_config(config, AnnotateConfig)
    check_reference(reference)  # before the cells, as the two are easily swapped
    check_anndata(adata, copy=copy)
    request = Request(layer, gene_column, force, AnnotationKeys(key_added), config)
    result = annotate_cells(adata, reference, request)
    target = target_of(adata, copy=copy)
    put(target, result.obs, {"obsm": result.obsm, "uns": result.uns})
    for column in parent_columns(request.keys):
        if column in target.obs and column not in result.obs:
            del target.obs[column]
    return target if copy else None


@dataclass(frozen=True)
class Request:
    """What :func:`annotate` was asked, without the AnnData to write to."""

    layer: str | None = None
    gene_column: str | None = None
    force: bool = False
    keys: AnnotationKeys = field(default_factory=AnnotationKeys)
    config: AnnotateConfig = field(default_factory=AnnotateConfig)


def annotate_cells(cells: Cells, reference: Reference, request: Request) -> Annotation:
    """Annotate cells of any source and return what is to be written; see :func:`annotate`."""
    config = request.config
    check_config(config)
    check_option(request.force, bool, "force")
    check_key_added(request.keys.prefix)
    check_reference(reference)
    source = open_source(cells, request.layer)
    started = time.perf_counter()
    options = InputConfig(
        gene_column=request.gene_column, scale=config.scale, min_shared=config.min_shared
    )
    n_threads = n_threads_or_all(config.n_threads)
    annotator = reference.annotator
    bound = bind_source(source, annotator, options)
    groups = None if config.vote in (None, "code") else _group_column(source.obs, config.vote)
    if config.match_query:
        annotator = matched_to_query(annotator, bound, config.chunk_size)
    prediction = _predict(bound, annotator, config, n_threads)
    reach = -math.log10(config.max_lost) if config.max_lost > 0 else math.inf
    limits = Limits(config.min_confidence, reach, config.min_genes)
    reason = reasons(prediction, limits)
    # the same where a type is given for what it is; elsewhere the sum over siblings leads
    label = np.where(reason == 0, prediction.nearest, prediction.of_likeliest)
    if config.vote is not None:
        of_type = prediction.codes[:, : annotator.n_bits // 8]  # no two cells share all details
        by = of_type if groups is None else groups
        label = vote_by_group(prediction, by, assigned=reason == 0)
    keys, family = request.keys, annotator.family
    obs = _columns(prediction, label, reason, request, reference.annotator.types)
    if family is not None:
        answer = answer_parents(
            prediction, label, family, reason=reason, limits=limits, force=request.force
        )
        obs = with_parents(obs, answer, family, keys=keys, force=request.force)
    obs.index = source.obs.index
    return Annotation(
        obs=obs,
        obsm={keys.codes: prediction.codes, keys.sets: prediction.sets},
        uns={keys.provenance: _provenance(bound, reference, request)},
        summary=summarise(obs, bound, request, seconds=time.perf_counter() - started),
    )


def _group_column(obs: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column in obs:
        return one_column(obs, column)
    hint = did_you_mean(column, obs.columns)
    msg = (
        f"`vote` names the column {column!r}, which obs does not have.{hint} Use 'code' to vote "
        "among cells of one code."
    )
    raise KeyNotFoundError(msg)


def _predict(
    bound: BoundSource, annotator: Annotator, config: AnnotateConfig, n_threads: int
) -> Prediction:
    parts = []
    chunks = predict_chunks(
        bound, annotator, config.method, size=config.chunk_size, n_threads=n_threads
    )
    with track("Annotating", bound.n_cells, show=config.progress) as advance:
        for rows, part in chunks:
            parts.append(part)
            advance(rows.stop - rows.start)
    return Prediction.concatenate(parts)


def _columns(
    prediction: Prediction,
    label: NDArray[np.int64],
    reason: NDArray[np.int8],
    request: Request,
    types: list[str],
) -> pd.DataFrame:
    """Return the columns of ``obs``, in the order in which they are read."""
    keys = request.keys
    assigned = reason == 0
    given = np.where(assigned | request.force, label, len(types))
    status = (~assigned).astype(np.int64)
    return pd.DataFrame(
        {
            keys.label: _named(given, [*types, UNASSIGNED]).remove_unused_categories(),
            keys.confidence: prediction.confidence,
            keys.nearest: _named(prediction.nearest, types),
            keys.runner_up: _named(prediction.runner_up, types),
            keys.margin: prediction.margin,
            keys.novelty: prediction.novelty,
            keys.status: _named(status, [ASSIGNED, UNASSIGNED]),
            keys.reason: _named(reason, REASONS),
        }
    )


def _named(codes: NDArray[np.integer], names: Sequence[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))


def _provenance(bound: BoundSource, reference: Reference, request: Request) -> dict[str, Any]:
    """Return what was done, in types that ``.h5ad`` files take."""
    match, config = bound.match, asdict(request.config)
    config["vote"] = config["vote"] or ""
    del config["progress"], config["n_threads"]
    parents = reference.annotator.parents
    return {
        "atlash_version": version("atlash"),
        "reference_fingerprint": reference.fingerprint,
        "settings": config | {"force": request.force, "layer": request.layer or ""},
        "input": {
            "source": bound.source.name,
            "scale": bound.scale.name,
            "scale_evidence": bound.scale.evidence,
            "query_genes_named_by": match.naming[0],
            "reference_genes_named_by": match.naming[1],
            "n_genes_shared": match.n_shared,
            "n_genes_reference": len(bound.recipe.genes),
            "weight_shared": match.weight_shared,
        },
        "types": np.array(reference.types, dtype=object),
        "transductive": bool(request.config.vote or request.config.match_query),
    } | ({"parents": np.array(parents, dtype=object)} if parents else {})
