"""Cells from anywhere: AnnData in memory, backed or as a view, .h5ad files, zarr stores."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from atlash.data.features import gene_features
from atlash.data.matrix import RowMatrix, check_dtype
from atlash.data.memory import anndata_matrix, has_x
from atlash.errors import EmptyInputError, FileFormatError, InputError, KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData
    from numpy.typing import NDArray

Cells: TypeAlias = "AnnData | str | Path"
"""What holds cells: an AnnData, or the path of a .h5ad file or zarr store."""


class CellSource(Protocol):
    """Cells that can be read a chunk at a time; only genes, no other features."""

    @property
    def name(self) -> str:
        """What messages call it, for example ``pbmc.h5ad, layer 'counts'``."""
        ...

    @property
    def n_cells(self) -> int:
        """Number of cells, at least 1."""
        ...

    @property
    def obs(self) -> pd.DataFrame:
        """Cells' metadata; the index holds the cell ids as strings."""
        ...

    @property
    def var(self) -> pd.DataFrame:
        """Genes' metadata, one row a column of the chunks; the index holds names as strings."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are stored; the chunks are float32 or float64."""
        ...

    @property
    def n_dropped(self) -> int:
        """Features left out because they are no genes."""
        ...

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Other values of ``layer`` that would work, ``"X"`` for ``None``."""
        ...

    def chunks(self, size: int) -> Iterator[tuple[slice, sp.csr_array]]:
        """Yield all cells in order: the rows' range and their values."""
        ...

    def rows(self, index: NDArray[np.int64]) -> sp.csr_array:
        """Return the values of the cells at ascending positions ``index``."""
        ...


@dataclass(frozen=True)
class MatrixSource:
    """`CellSource` over one matrix and its two tables; memory is that of a chunk."""

    name: str
    obs: pd.DataFrame
    var: pd.DataFrame
    alternatives: tuple[str, ...]
    n_dropped: int
    _matrix: RowMatrix
    _columns: NDArray[np.intp] | None

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self._matrix.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are stored."""
        return self._matrix.dtype

    def chunks(self, size: int) -> Iterator[tuple[slice, sp.csr_array]]:
        """Yield all cells in order, ``size`` at a time."""
        if size < 1:
            msg = f"A chunk must hold at least 1 cell, got a size of {size}."
            raise ValueError(msg)
        for start in range(0, self.n_cells, size):
            stop = min(start + size, self.n_cells)
            yield slice(start, stop), self._genes(self._matrix.block(start, stop))

    def rows(self, index: NDArray[np.int64]) -> sp.csr_array:
        """Return the cells at ascending positions ``index``."""
        return self._genes(self._matrix.take(index))

    def _genes(self, block: sp.csr_array) -> sp.csr_array:
        return block if self._columns is None else block[:, self._columns]


def open_sources(cells: Cells | Sequence[Cells], layer: str | None = None) -> list[CellSource]:
    """Open one or several holders of cells; see `open_source`.

    Raises
    ------
    EmptyInputError
        The list of inputs is empty.
    """
    if isinstance(cells, Sequence) and not isinstance(cells, str):
        if not cells:
            msg = "The list of inputs is empty; at least one AnnData or file is needed."
            raise EmptyInputError(msg)
        return [open_source(one, layer) for one in cells]
    return [open_source(cells, layer)]


def open_source(cells: Cells, layer: str | None = None) -> CellSource:
    """Open cells for reading a chunk at a time.

    Parameters
    ----------
    cells
        AnnData (in memory, backed or a view), or the path of a ``.h5ad`` file or a zarr
        store. From disk only ``obs``, ``var`` and the rows of a chunk are in memory.
    layer
        Layer to read instead of ``X``. ``"raw"`` stands for ``adata.raw``, with its own
        genes, and ``"X"`` for ``X``, unless a layer has that name.

    Raises
    ------
    KeyNotFoundError
        There is no such layer, no ``raw`` or no ``X``.
    FileFormatError
        The file is missing, damaged or of another format.
    EmptyInputError
        No cells or no genes.
    InputError
        Values are not real numbers.
    """
    if isinstance(cells, str | Path):
        from atlash.data.storage import open_group

        path = _with_home(Path(cells))
        return _from_group(open_group(path), layer, path.name)
    if not hasattr(cells, "obs_names"):
        msg = (
            f"Cells must be an AnnData or the path of a .h5ad file or zarr store, got "
            f"{type(cells).__name__}. Wrap a matrix as `anndata.AnnData(matrix)`."
        )
        raise InputError(msg)
    return _from_anndata(cells, layer)


def _with_home(path: Path) -> Path:
    """Return a path with ``~`` replaced by the home folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        msg = f"The home folder in {str(path)!r} is not known. Write the path in full."
        raise FileFormatError(msg) from error


def _from_group(group: Any, layer: str | None, file_name: str) -> CellSource:  # noqa: ANN401
    """Open the matrix of an AnnData file."""
    from atlash.data.storage import read_frame, stored_matrix

    layers = set(group["layers"]) if "layers" in group else set()
    available = _Slots(layers, has_raw="raw" in group, has_x="X" in group)
    slot, name = available.choose(layer, file_name)
    table = "raw/var" if slot == "raw/X" else "var"
    return _source(
        stored_matrix(group[slot], name),
        obs=read_frame(group, "obs", name),
        var=read_frame(group, table, name),
        name=name,
        alternatives=available.others(slot),
    )


def _from_anndata(adata: AnnData, layer: str | None) -> CellSource:
    """Open the matrix of an AnnData."""
    available = _Slots(set(adata.layers), has_raw=adata.raw is not None, has_x=has_x(adata))
    slot, name = available.choose(layer, "the AnnData")
    return _source(
        anndata_matrix(adata, slot, name),
        obs=adata.obs,
        var=adata.raw.var if slot == "raw/X" else adata.var,
        name=name,
        alternatives=available.others(slot),
    )


def _source(
    matrix: RowMatrix,
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    name: str,
    alternatives: tuple[str, ...],
) -> CellSource:
    """Join a matrix with its tables, leaving out features that are no genes."""
    check_dtype(matrix.dtype, name)
    if 0 in matrix.shape:
        msg = (
            f"{name} has {matrix.shape[0]:,} cells and {matrix.shape[1]:,} genes; need both. "
            "Look whether a filter left nothing over, or whether it is another file or layer."
        )
        raise EmptyInputError(msg)
    var = _string_index(var)
    keep = gene_features(var, name)
    return MatrixSource(
        name=name,
        obs=_string_index(obs),
        var=var.loc[keep] if not keep.all() else var,
        alternatives=alternatives,
        n_dropped=int((~keep).sum()),
        _matrix=matrix,
        _columns=None if keep.all() else np.flatnonzero(keep),
    )


def _string_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a shallow copy whose index holds strings."""
    frame = frame.copy(deep=False)
    frame.index = frame.index.astype(str)
    return frame


@dataclass(frozen=True)
class _Slots:
    """Where an AnnData may keep a matrix: ``X``, layers and ``raw``."""

    layers: Collection[str]
    has_raw: bool
    has_x: bool

    def choose(self, layer: str | None, holder: str) -> tuple[str, str]:
        """Return the path of the matrix asked for, and what messages call it."""
        given: Any = layer
        if not isinstance(given, Hashable):
            msg = f"`layer` is {layer!r}, but must be the name of one layer, for example 'counts'."
            raise InputError(msg)
        if layer is not None and layer in self.layers:
            return f"layers/{layer}", f"{holder}, layer {layer!r}"
        if layer in (None, "X") and self.has_x:
            return "X", f"{holder}, X"
        if layer == "raw" and self.has_raw:
            return "raw/X", f"{holder}, raw"
        names = self.others("")
        listed = ", ".join(map(repr, names)) or "no matrix at all"
        wanted = "X" if layer is None else repr(layer)
        told = holder.replace("the ", "The ", 1) if holder.startswith("the ") else repr(holder)
        msg = f"{told} has no {wanted}; it has {listed}."
        near = difflib.get_close_matches(str(layer or "X"), names, n=1, cutoff=0.0)
        if near:
            msg += f" Try `layer={near[0]!r}`."
        if not names:
            msg += " Counts belong in X: `adata.X = counts`, one row a cell, one column a gene."
        raise KeyNotFoundError(msg)

    def others(self, slot: str) -> tuple[str, ...]:
        """Name what could be read instead of ``slot``: ``"X"``, layers, ``"raw"``."""
        names = {f"layers/{layer}": layer for layer in sorted(self.layers)}
        if self.has_x:
            names["X"] = "X"
        if self.has_raw and "raw" not in self.layers:
            names["raw/X"] = "raw"
        return tuple(name for where, name in names.items() if where != slot)
