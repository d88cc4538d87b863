"""Cells as sequences of gene tokens: which genes, with which values, and which are hidden.

Values enter relative to those values of the cell that are shown, and to nothing else: ranks
among them, or ratios to their mean. So what is hidden leaves no trace in what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.config import Sampling, TransformerConfig

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Tokens:
    """Genes of cells, filled up with empty places at the end of each row.

    Attributes
    ----------
    genes
        Index of each gene in the vocabulary ``(n, length)``, int64; 0 at empty places.
    values
        Normalised values, as the logarithm of 1 + a linear value ``(n, length)``, float32.
    there
        Which places hold a gene ``(n, length)``, bool.
    """

    genes: NDArray[np.int64]
    values: NDArray[np.float32]
    there: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.genes)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Genes of each cell ``(n,)``."""
        return np.asarray(self.there.sum(axis=1))

    def take(self, index: NDArray[np.int64], length: int) -> Tokens:
        """Return some cells in rows of another length; only empty places are cut off."""
        room = min(length, self.genes.shape[1])
        pad = ((0, 0), (0, length - room))
        genes = np.pad(self.genes[index, :room], pad)
        values = np.pad(self.values[index, :room], pad)
        return Tokens(genes, values, np.pad(self.there[index, :room], pad))


@dataclass(frozen=True)
class Values:
    """Values as they enter the network, and as they are to be predicted.

    Attributes
    ----------
    shown
        Bins ``(n, length)``, int64, 0 where hidden; or continuous values, float32.
    target
        What a hidden value is to be predicted as ``(n, length)``, float32: the share of shown
        values below it, or the continuous value.
    """

    shown: NDArray[np.int64] | NDArray[np.float32]
    target: NDArray[np.float32]


def tokenise(X: sp.csr_array, *, n_tokens: int, sampling: Sampling, seed: int) -> Tokens:
    """Choose the tokens of cells.

    Parameters
    ----------
    X
        Normalised values over the vocabulary ``(n, n_genes)``, CSR, above 0, no column twice.
    n_tokens
        Most genes of a cell.
    sampling
        Which ones, where there are more.
    seed
        Of the random choice, at least 0.

    Returns
    -------
    Tokens in the order of the genes. A cell's tokens depend on the cell and the seed alone: the
    random order of its genes is a hash of both.
    """
    lengths = np.diff(X.indptr).astype(np.int64)
    kept = np.minimum(lengths, n_tokens)
    row = np.repeat(np.arange(len(lengths)), lengths)
    entries = np.arange(len(row))
    crowded = np.repeat(lengths > n_tokens, lengths)
    if crowded.any():
        few = np.flatnonzero(crowded)
        gene = X.indices[few].astype(np.int64)
        if sampling == "random":
            order = few[np.lexsort((gene, _keys(gene, row[few], seed), row[few]))]
        else:
            order = few[np.lexsort((gene, -X.data[few], row[few]))]
        chosen = order[_place(row[order], len(lengths)) < n_tokens]
        entries = np.sort(np.concatenate([np.flatnonzero(~crowded), chosen]))
    row = row[entries]
    shape = (len(lengths), max(1, int(kept.max(initial=0))))
    where = row, _place(row, len(lengths))
    genes, values = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    genes[where], values[where] = X.indices[entries], X.data[entries]
    return Tokens(genes, values, np.arange(shape[1]) < kept[:, None])


def _place(row: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return the place of each entry within its row; rows ascend."""
    starts = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=n_rows))))
    return np.asarray(np.arange(len(row)) - starts[row])


def _keys(gene: NDArray[np.int64], row: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Return a random number for each gene of each cell, by the cell's genes and the seed."""
    of_gene = _mixed(gene.astype(np.uint64))
    firsts = np.flatnonzero(np.diff(row, prepend=-1))
    of_cell = np.add.reduceat(of_gene, firsts)  # in whatever order the genes come
    cell = np.cumsum(np.diff(row, prepend=row[:1]) > 0)
    return _mixed(of_gene ^ _mixed(of_cell ^ np.uint64(seed))[cell])


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter numbers over 64 bits: SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    z = numbers + _STEP
    z = (z ^ (z >> np.uint64(30))) * _MIX[0]
    z = (z ^ (z >> np.uint64(27))) * _MIX[1]
    return z ^ (z >> np.uint64(31))


def hide(tokens: Tokens, ratios: Sequence[float], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose tokens whose values are hidden.

    Parameters
    ----------
    tokens
        The cells.
    ratios
        Shares to hide; each cell draws one.
    rng
        Source of randomness.

    Returns
    -------
    Hidden places ``(n, length)``: at least one of each cell, and never all. A cell of one gene
    has nothing to hide.
    """
    sizes = tokens.sizes
    share = np.asarray(ratios)[rng.integers(0, len(ratios), len(tokens))]
    wanted = np.clip(np.rint(share * sizes), 1, np.maximum(sizes - 1, 0))
    draws = np.where(tokens.there, rng.random(tokens.there.shape), np.inf)
    rank = np.argsort(np.argsort(draws, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray((rank < np.where(sizes > 1, wanted, 0)[:, None]) & tokens.there)


def values_of(tokens: Tokens, visible: NDArray[np.bool_], config: TransformerConfig) -> Values:
    """Return values as they enter, and as hidden ones are to be predicted.

    Parameters
    ----------
    tokens
        The cells.
    visible
        Tokens whose values are shown ``(n, length)``.
    config
        Form of the values.

    Notes
    -----
    A binned value is the share of the cell's shown values below it, half of its equals counted;
    the bins are equal parts of [0, 1], as in scGPT (Cui et al., Nature Methods 2024), where
    however hidden values have a say in the quantiles. A continuous value is ``log1p`` of its
    ratio to the mean of the shown ones, on a linear scale.
    """
    if config.values == "bins":
        share = _share_below(tokens.values, visible)
        n_quantiles = config.n_bins - 1
        bins = 1 + np.minimum(share * n_quantiles, n_quantiles - 1).astype(np.int64)
        return Values(np.where(visible, bins, 0), share.astype(np.float32))
    linear = np.expm1(tokens.values.astype(np.float64))
    total = np.where(visible, linear, 0).sum(axis=1, keepdims=True)
    n_visible = visible.sum(axis=1, keepdims=True)
    mean = np.divide(total, n_visible, out=np.ones_like(total), where=total > 0)
    value = np.log1p(linear / mean).astype(np.float32)
    return Values(np.where(visible, value, np.float32(0)), value)


def _share_below(values: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of a row's visible values below each value, equals counted by half."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    seen = np.cumsum(np.take_along_axis(visible, order, axis=1), axis=1)
    seen = np.pad(seen, ((0, 0), (1, 0)))  # visible values before each place
    place = np.arange(values.shape[1])
    steps = ordered[:, 1:] != ordered[:, :-1]
    opens = np.pad(steps, ((0, 0), (1, 0)), constant_values=True)
    closes = np.pad(steps, ((0, 0), (0, 1)), constant_values=True)
    first = np.maximum.accumulate(np.where(opens, place, 0), axis=1)
    last = np.where(closes, place, len(place))[:, ::-1]
    last = np.minimum.accumulate(last, axis=1)[:, ::-1]
    below = np.take_along_axis(seen, first, axis=1)
    up_to = np.take_along_axis(seen, last + 1, axis=1)
    share = np.empty(values.shape)
    np.put_along_axis(share, order, (below + up_to) / 2, axis=1)
    return np.asarray(share / np.maximum(seen[:, -1:], 1))
