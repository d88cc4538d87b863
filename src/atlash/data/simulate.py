"""Counts of new cells, drawn per type and batch from parameters fitted to annotated cells.

No cell is copied: each is drawn afresh, so neighbours differ as real ones do. The count of gene j
in a cell of group g (one type in one batch) with depth L is negative binomial with mean
``L p_gj`` and variance ``mean + phi_j mean^2``; log L is normal with the batch's mean and
deviation. Genes are independent given the group, so co-expression within a type is not kept.

Drawing costs time in proportion to counts, not to cells times genes, and is exact. A negative
binomial is a Poisson number of clusters of logarithmic size (Quenouille 1949), with rate
``log(1 + phi m) / phi`` at mean m. Clusters come from candidates of the larger rate m, which fall
on genes as ``p_g`` whatever the cell; a candidate stays with probability
``log(1 + phi m) / (phi m)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash.data.count_estimates import (
    estimated_dispersions,
    estimated_log_depth,
    estimated_proportions,
    group_sums,
)
from atlash.data.write import atomic_path
from atlash.errors import EmptyInputError, InvalidValuesError, KeyNotFoundError, LabelsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray

_HDF5_CHUNK = 2**20


@dataclass(frozen=True)
class CountModel:
    """Parameters from which cells are drawn; see :func:`fit`.

    Parameters
    ----------
    genes
        Gene identifiers, ``(n_genes,)``.
    groups
        One row for each type and batch that occur together, columns named as in the fitted
        ``obs``, ``(n_groups, 1 or 2)``.
    weights
        Share of cells of each group, ``(n_groups,)``, summing to 1.
    proportions
        Expected share of a cell's counts on each gene, ``(n_groups, n_genes)``, rows sum to 1.
    dispersions
        ``phi`` of each gene, ``(n_genes,)``, positive.
    log_depth_mean, log_depth_deviation
        Natural log of counts per cell, ``(n_groups,)`` each, alike within a batch.
    """

    genes: NDArray[np.str_]
    groups: pd.DataFrame
    weights: NDArray[np.float64]
    proportions: NDArray[np.float64]
    dispersions: NDArray[np.float64]
    log_depth_mean: NDArray[np.float64]
    log_depth_deviation: NDArray[np.float64]

    def draw(
        self, n_cells: int, *, random_state: int = 0, chunk_size: int = 4096
    ) -> Iterator[tuple[sp.csr_array[Any], pd.DataFrame]]:
        """Draw cells, a chunk at a time.

        Parameters
        ----------
        n_cells
            How many cells, at least 0.
        random_state
            Seed; the same seed and ``chunk_size`` give the same cells.
        chunk_size
            Most cells in a chunk, at least 1.

        Yields
        ------
        Counts, ``(n_chunk, n_genes)``, CSR float32 with sorted indices, and the type and batch
        of each cell as categorical columns. The index of ``obs`` runs on over the chunks.
        """
        rng = np.random.default_rng(random_state)
        for start in range(0, n_cells, chunk_size):
            size = min(chunk_size, n_cells - start)
            group = rng.choice(len(self.weights), size=size, p=self.weights)
            spread = rng.standard_normal(size) * self.log_depth_deviation[group]
            depth = np.exp(self.log_depth_mean[group] + spread)
            obs = self.groups.iloc[group]
            obs.index = pd.Index([f"cell{row:09d}" for row in range(start, start + size)])
            yield self._counts(group, depth, rng), obs

    def _counts(
        self, group: NDArray[np.int64], depth: NDArray[np.float64], rng: np.random.Generator
    ) -> sp.csr_array[Any]:
        """Draw each group's cells together, then put rows back in the order of ``group``."""
        order = np.argsort(group, kind="stable")
        bounds = np.searchsorted(group[order], np.arange(len(self.weights) + 1))
        blocks = [
            _negative_binomial(depth[order[a:b]], self.proportions[g], self.dispersions, rng)
            for g, (a, b) in enumerate(pairwise(bounds))
            if b > a
        ]
        return sp.csr_array(sp.vstack(blocks, format="csr")[np.argsort(order)])


def fit(adata: ad.AnnData, *, labels_key: str, batch_key: str | None = None) -> CountModel:
    """Fit the parameters of :class:`CountModel` to annotated counts.

    Proportions of a group are shrunk towards its type over all batches, and those of a type
    towards all cells; dispersions are moment estimates within groups, shrunk towards the
    typical gene's.

    Parameters
    ----------
    adata
        Cells with counts in ``X``, ``(n_cells, n_genes)``.
    labels_key, batch_key
        Columns of ``obs`` with types and, where there are several, batches.

    Returns
    -------
    The fitted model.

    Raises
    ------
    KeyNotFoundError
        A column or ``X`` is missing.
    LabelsError
        A cell has no type or no batch, or both are one column.
    EmptyInputError
        No cell has counts.
    InvalidValuesError
        Values are negative, NaN or infinite.
    """
    keys = [labels_key] if batch_key is None else [labels_key, batch_key]
    _check(adata, keys)
    X = sp.csr_array(adata.X, dtype=np.float64)
    if not np.all(np.isfinite(X.data) & (X.data >= 0)):
        msg = (
            "Counts must be finite and not negative; `X` holds other values, for example "
            f"{X.data[~(np.isfinite(X.data) & (X.data >= 0))][0]}. Put raw counts in `adata.X`."
        )
        raise InvalidValuesError(msg)
    depth = np.asarray(X.sum(axis=1), dtype=np.float64)
    filled = depth > 0
    if not filled.any():
        msg = f"None of the {adata.n_obs:,} cells has counts; a fit needs at least one that has."
        raise EmptyInputError(msg)
    X, depth, obs = X[filled], depth[filled], adata.obs.loc[filled, keys].astype(str)
    group = obs.groupby(keys, sort=True).ngroup().to_numpy()
    groups = obs.iloc[np.unique(group, return_index=True)[1]].reset_index(drop=True)
    totals = group_sums(X, group, len(groups))
    batch = np.zeros(len(groups), int) if batch_key is None else pd.factorize(groups[batch_key])[0]
    log_mean, log_deviation = estimated_log_depth(depth, batch[group])
    return CountModel(
        genes=np.asarray(adata.var_names, dtype=str),
        groups=groups.astype("category"),
        weights=np.bincount(group) / len(group),
        proportions=estimated_proportions(totals, pd.factorize(groups[labels_key])[0]),
        dispersions=estimated_dispersions(X, depth, group, totals=totals),
        log_depth_mean=log_mean[batch],
        log_depth_deviation=log_deviation[batch],
    )


def write_h5ad(
    path: Path, model: CountModel, n_cells: int, *, random_state: int = 0, chunk_size: int = 4096
) -> None:
    """Draw cells straight into an ``.h5ad`` file, holding one chunk at a time.

    The file appears under its name once it is complete; ``X`` is uncompressed CSR float32.

    Parameters
    ----------
    path
        File to write; an existing one is replaced.
    model
        What to draw from.
    n_cells, random_state, chunk_size
        As for :meth:`CountModel.draw`.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    import anndata as ad
    import h5py

    with atomic_path(path) as scratch, h5py.File(scratch, "w") as file:
        annotations = _write_counts(
            file.create_group("X"),
            model.draw(n_cells, random_state=random_state, chunk_size=chunk_size),
            (n_cells, len(model.genes)),
        )
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        nothing = model.groups.iloc[:0].set_axis(pd.Index([], dtype=object))
        ad.io.write_elem(file, "obs", pd.concat(annotations or [nothing]))
        ad.io.write_elem(file, "var", pd.DataFrame(index=pd.Index(model.genes)))


def _write_counts(
    store: Any,  # noqa: ANN401
    chunks: Iterator[tuple[sp.csr_array[Any], pd.DataFrame]],
    shape: tuple[int, int],
) -> list[pd.DataFrame]:
    """Append chunks to the three arrays of a CSR matrix; return their annotations."""
    store.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    store.attrs["shape"] = np.array(shape)
    options = {"shape": (0,), "maxshape": (None,), "chunks": (_HDF5_CHUNK,)}
    arrays = {
        name: store.create_dataset(name, dtype=dtype, **options)
        for name, dtype in (("data", np.float32), ("indices", np.int32))
    }
    bounds, annotations = [np.zeros(1, np.int64)], []
    for counts, obs in chunks:
        stored = arrays["data"].shape[0]
        for name, array in arrays.items():
            array.resize(stored + counts.nnz, axis=0)
            array[stored:] = getattr(counts, name)
        bounds.append(stored + counts.indptr[1:].astype(np.int64))
        annotations.append(obs)
    store.create_dataset("indptr", data=np.concatenate(bounds))
    return annotations


def _negative_binomial(
    depth: NDArray[np.float64],
    proportions: NDArray[np.float64],
    dispersions: NDArray[np.float64],
    rng: np.random.Generator,
) -> sp.csr_array[Any]:
    """Draw counts of one group's cells, ``(n_cells, n_genes)``, as the module describes."""
    n_genes = len(proportions)
    per_cell = rng.poisson(depth)
    genes = np.repeat(
        np.arange(n_genes, dtype=np.int32), rng.multinomial(per_cell.sum(), proportions)
    )
    rng.shuffle(genes)
    cells = np.repeat(np.arange(len(depth), dtype=np.int32), per_cell)
    excess = (proportions * dispersions)[genes] * depth[cells]  # phi m of each candidate
    stays = rng.random(len(genes)) * excess < np.log1p(excess)
    genes, excess, cells = genes[stays], excess[stays], cells[stays]
    sizes = rng.logseries(excess / (1 + excess)).astype(np.float32)
    bounds = np.concatenate(([0], np.cumsum(np.bincount(cells, minlength=len(depth)))))
    counts = sp.csr_array((sizes, genes, bounds), shape=(len(depth), n_genes))
    counts.sum_duplicates()
    return counts


def _check(adata: ad.AnnData, keys: list[str]) -> None:
    """Raise unless there are counts, and each cell's type and batch."""
    if adata.X is None:
        msg = "The AnnData has no X. Counts belong there: `adata.X = adata.layers['counts']`."
        raise KeyNotFoundError(msg)
    if len(set(keys)) < len(keys):
        msg = f"`labels_key` and `batch_key` are both {keys[0]!r}; name two columns, or no batch."
        raise LabelsError(msg)
    for key in keys:
        if key not in adata.obs:
            msg = (
                f"`adata.obs` has no column {key!r}; it has {list(adata.obs.columns)}. "
                "Name the column of types as `labels_key` and that of batches as `batch_key`."
            )
            raise KeyNotFoundError(msg)
        missing = int(adata.obs[key].isna().sum())
        if missing:
            msg = (
                f"{missing:,} of {adata.n_obs:,} cells have no {key!r}; all need one. Leave them "
                f"out: `adata[adata.obs[{key!r}].notna()]`."
            )
            raise LabelsError(msg)
