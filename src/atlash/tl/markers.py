"""Genes that mark each cluster, ranked in one pass over the cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.checks import check_name
from atlash.data.rank_sums import benjamini_hochberg, rank_sums
from atlash.data.scale import detect_scale
from atlash.data.source import open_source
from atlash.errors import InputError
from atlash.keys import UNASSIGNED, MarkerKeys
from atlash.tl.checks import check_key_added, check_reading, is_whole
from atlash.tl.stored import groups_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import ScaleName
    from atlash.data.rank_sums import RankSums
    from atlash.data.source import Cells

_OF_SCANPY = {
    "scores": "score",
    "logfoldchanges": "log2_fold_change",
    "pvals": "p_value",
    "pvals_adj": "p_adjusted",
    "auroc": "auroc",
}
"""scanpy's names of the columns; the AUROC has none of its own there."""


def markers(
    adata: Cells,
    *,
    groups_key: str = "atlash_cluster",
    key_added: str = "atlash_markers",
    n_genes: int | None = None,
    layer: str | None = None,
    scale: ScaleName = "auto",
    chunk_size: int = 2048,
) -> pd.DataFrame:
    """Rank the genes of each cluster by Wilcoxon's rank sum against all other cells.

    Values are ``log1p`` of counts per ten thousand, in 256 bins with zeros in one of their own.
    Memory is that of a chunk and of the counts of these bins, at most 512 MiB; where genes
    times clusters need more, the cells are read several times.

    Parameters
    ----------
    adata
        AnnData, or the path of a ``.h5ad`` file or zarr store: counts, or normalised values on
        a linear or logarithmic scale.
    groups_key
        Column of ``obs`` with the clusters, at least two. Cells with no value, a blank one or
        ``"unassigned"`` take no part.
    key_added
        Key of ``uns``.
    n_genes
        Genes listed for each cluster, the highest scores first; ``None`` lists all.
    layer
        Layer to read instead of ``X``; ``"raw"`` stands for ``adata.raw``.
    scale
        Scale of the values; ``"auto"`` detects it.
    chunk_size
        Cells read at a time.

    Returns
    -------
    One row a cluster and gene, clusters in order, scores descending: ``group``, ``gene``,
    ``score`` (z, corrected for ties), ``auroc``, ``log2_fold_change``, ``fraction_in``,
    ``fraction_out``, ``p_value`` and ``p_adjusted`` (Benjamini and Hochberg, each cluster on its
    own, over all genes). An AnnData gets the same in scanpy's layout, which its
    ``sc.get.rank_genes_groups_df`` and plots of marker genes read; a file is not changed.

    ``uns["atlash_markers"]`` : dict
        ``params``; records with a field a cluster, ``names``, ``scores``, ``logfoldchanges``,
        ``auroc`` (float32), ``pvals`` and ``pvals_adj`` (float64); tables of genes x clusters,
        ``pts`` and ``pts_rest``.

    Raises
    ------
    KeyNotFoundError
        If the column or layer does not exist.
    InputError
        If there are fewer than two clusters, or the cells cannot be used.

    Notes
    -----
    Clusters were found in the same cells, so that they differ by construction: these p-values
    rank genes, and do not test whether clusters are real. Fold changes are defined as in
    scanpy, from means of logarithmic values.
    """
    check_key_added(key_added)
    check_name(groups_key, "groups_key", example="atlash_cluster")
    check_reading(chunk_size)
    if n_genes is not None and not (is_whole(n_genes) and n_genes >= 1):
        msg = f"`n_genes` is {n_genes!r}, but must be a whole number from 1, or None for all."
        raise InputError(msg)
    source = open_source(adata, layer)
    groups, names = groups_of(source.obs, groups_key, without=UNASSIGNED)
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        msg = (
            f"Markers set clusters apart, so two are needed, but `obs[{groups_key!r}]` has "
            f"{found}. Name another column as `groups_key`."
        )
        raise InputError(msg)
    found_scale = detect_scale(source, declared=scale)
    sums = rank_sums(source, groups, len(names), scale=found_scale, chunk_size=chunk_size)
    genes = source.var.index.to_numpy(dtype=object)
    table = _table(sums, names, genes, len(genes) if n_genes is None else n_genes)
    if not isinstance(adata, str | Path):
        raw = layer == "raw" and "raw" not in adata.layers
        parameters = {
            "groupby": groups_key,
            "reference": "rest",
            "method": "wilcoxon",
            "use_raw": raw,
            "layer": None if raw else layer,
            "corr_method": "benjamini-hochberg",
        }
        key = MarkerKeys(key_added).ranking
        adata.uns[key] = _layout(table, sums, names, genes) | {"params": parameters}
    return table


def _table(
    sums: RankSums, names: list[str], genes: NDArray[np.object_], n_listed: int
) -> pd.DataFrame:
    """Return one row a group and gene; ties in score go to the gene that comes first."""
    order = np.argsort(-sums.score, axis=1, kind="stable")[:, :n_listed]
    columns = {
        "score": sums.score,
        "auroc": sums.auroc,
        "log2_fold_change": sums.log2_fold_change,
        "fraction_in": sums.fraction_in,
        "fraction_out": sums.fraction_out,
        "p_value": sums.p_value,
        "p_adjusted": benjamini_hochberg(sums.p_value),
    }
    group = np.repeat(np.arange(len(names)), order.shape[1])
    listed = {
        name: np.take_along_axis(values, order, axis=1).ravel() for name, values in columns.items()
    }
    first = {
        "group": pd.Categorical.from_codes(group, pd.Index(names)),
        "gene": genes[order.ravel()],
    }
    return pd.DataFrame(first | listed)


def _layout(
    table: pd.DataFrame, sums: RankSums, names: list[str], genes: NDArray[np.object_]
) -> dict[str, Any]:
    """Return the table as scanpy keeps it: records with a field a group, and tables of shares."""
    n_listed = len(table) // len(names)
    layout: dict[str, Any] = {"names": _records(table["gene"], names, n_listed, "O")}
    for theirs, ours in _OF_SCANPY.items():
        dtype = "f8" if theirs.startswith("pvals") else "f4"
        layout[theirs] = _records(table[ours], names, n_listed, dtype)
    for theirs, shares in (("pts", sums.fraction_in), ("pts_rest", sums.fraction_out)):
        layout[theirs] = pd.DataFrame(shares.T, index=pd.Index(genes), columns=names)
    return layout


def _records(
    column: pd.Series[Any], names: list[str], n_listed: int, dtype: str
) -> np.recarray[Any, Any]:
    """Return a column of the table as records, one field a group."""
    records = np.recarray(n_listed, dtype=[(name, dtype) for name in names])
    for name, values in zip(names, column.to_numpy().reshape(-1, n_listed), strict=True):
        records[name] = values
    return records
