"""Changing a reference: cells that come and leave, in memory or on disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlash.errors import ConflictError, InputError
from atlash.reference import store
from atlash.reference.cell_writing import searchable
from atlash.reference.cells import CellTable
from atlash.reference.columns import CELL_ID, LABEL
from atlash.reference.growth import Change, commit
from atlash.reference.newcomers import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OnDuplicate = Literal["refuse", "replace", "keep"]
"""What happens to a cell whose id is there: an error, or one of the two stays."""
MAX_TRIES = 20
"""Writers that may come between before a change is given up."""
MAX_NOTED = 200
"""Characters of a condition that a version's note keeps."""


class State(NamedTuple):
    """What a change starts from and what it leads to.

    Attributes
    ----------
    cells
        The cells, on disk or in memory.
    meta
        Facts of the reference.
    version
        Number of the version on disk; ``None`` in memory.
    """

    cells: pa.Table | CellTable
    meta: dict[str, Any]
    version: int | None


def changed(
    state: State, plan: Callable[[CellTable, dict[str, Any]], Change], *, fingerprint: str
) -> State:
    """Apply a change to the newest version of a reference.

    Parameters
    ----------
    state
        The reference as its holder knows it.
    plan
        Returns the change for cells and facts; asked again if another writer came between.
    fingerprint
        That of the holder's encoder.

    Raises
    ------
    ConflictError
        If another encoder was saved in its place, or other writers kept coming between.
    """
    if isinstance(state.cells, pa.Table):
        return _in_memory(state.cells, plan(searchable(state.cells), state.meta), state.meta)
    path = state.cells.folder.parent
    for _ in range(MAX_TRIES):
        newest = store.read(path, verify=False)
        if newest.meta["fingerprint"] != fingerprint:
            msg = (
                f"'{path}' holds another encoder by now: it was saved anew since you loaded it. "
                "Load it again and repeat the change."
            )
            raise ConflictError(msg)
        try:
            done = commit(path, plan(newest.cells, newest.meta), base=newest.version)
        except ConflictError:
            continue
        return State(done.cells, done.meta, done.version)
    msg = f"'{path}' was changed by others {MAX_TRIES} times meanwhile; try again later."
    raise ConflictError(msg)


def check_choice(on_duplicate: str) -> None:
    """Raise :class:`InputError` unless it is known what to do with duplicates."""
    if on_duplicate not in get_args(OnDuplicate):
        listed = ", ".join(map(repr, get_args(OnDuplicate)))
        msg = f"`on_duplicate` is {on_duplicate!r}, but must be one of {listed}."
        raise InputError(msg)


def addition(
    cells: CellTable,
    meta: dict[str, Any],
    new: pa.Table,
    *,
    on_duplicate: OnDuplicate,
    origin: str,
) -> Change:
    """Return the change that adds cells.

    Raises
    ------
    InputError
        If cells have an id that is there, and are to be refused.
    """
    ids = new[CELL_ID].to_pylist()
    found = cells.find(ids)
    there = found >= 0
    if on_duplicate == "refuse":
        _refuse_duplicates(ids, there)
    gone = np.empty(0, dtype=np.int64)
    if on_duplicate == "keep":
        new = new.filter(pa.array(~there))
        if new.num_rows == 0:
            return Change()
    else:
        gone = np.unique(found[there])
    leaving = cells.take(gone, [LABEL]) if len(gone) else None
    return Change(
        append=new if new.num_rows else None,
        delete=gone if len(gone) else None,
        meta=_counted(meta, coming=new, leaving=leaving),
        note=f"added {new.num_rows:,} cells from {origin}",
    )


def check_merged(cells: CellTable, others: Sequence[CellTable], on_duplicate: OnDuplicate) -> None:
    """Refuse cells of other references that cannot be added, before any of them is.

    Raises
    ------
    InputError
        If values do not fit the columns, or cells have an id that is there, or that another of
        these references has, and are to be refused.
    """
    types = {field.name: field.type for field in cells.schema}
    earlier = pa.chunked_array([], pa.string())
    for other in others:
        unlike = [f.name for f in other.schema if types.get(f.name, f.type) != f.type]
        if unlike:
            fitted(other.to_table(unlike), cells.schema)
        if on_duplicate == "refuse":
            column = other.to_table([CELL_ID])[CELL_ID]
            ids, again = column.to_pylist(), pc.is_in(column, value_set=earlier)
            _refuse_duplicates(ids, cells.find(ids) >= 0)
            _refuse_duplicates(ids, again.to_numpy(), "another of those that are merged")
            earlier = pa.chunked_array([*earlier.chunks, *column.chunks], pa.string())


def removal(cells: CellTable, meta: dict[str, Any], where: str) -> Change:
    """Return the change that removes the cells for which a predicate holds.

    Raises
    ------
    InputError
        If it is no predicate, or would leave no cell.
    """
    leaving = cells.where(where, [LABEL])
    if leaving.num_rows == cells.n_rows:
        msg = f"{where!r} holds for all {cells.n_rows:,} cells; a reference needs one at least."
        raise InputError(msg)
    if leaving.num_rows == 0:
        return Change()
    note = f"removed {leaving.num_rows:,} cells where {where[:MAX_NOTED]}"
    return Change(delete=where, meta=_counted(meta, leaving=leaving), note=note)


def path_of(cells: pa.Table | CellTable) -> Path | None:
    """Return the folder that a reference is saved in; ``None`` in memory."""
    return cells.folder.parent if isinstance(cells, CellTable) else None


def _refuse_duplicates(
    ids: Sequence[str], there: NDArray[np.bool_], who: str = "the reference"
) -> None:
    """Raise :class:`InputError` if an id is there."""
    if not there.any():
        return
    msg = (
        f"{int(there.sum()):,} of {len(ids):,} cells have an id that {who} has, for "
        f"example {ids[int(there.argmax())]!r}. Rename them, or choose which one stays with "
        "`on_duplicate='replace'` (the new one) or `on_duplicate='keep'` (the old one)."
    )
    raise InputError(msg)


def _counted(
    meta: dict[str, Any], *, coming: pa.Table | None = None, leaving: pa.Table | None = None
) -> dict[str, Any]:
    """Return the facts with the cells of each label counted anew."""
    labels = Counter(meta.get("labels", meta["types"]))
    for table, sign in ((coming, 1), (leaving, -1)):
        if table is not None:
            counts = table[LABEL].value_counts()
            for entry in counts.to_pylist():
                if entry["values"] is not None:
                    labels[entry["values"]] += sign * entry["counts"]
    n_cells = meta["n_cells"]
    n_cells += coming.num_rows if coming is not None else 0
    n_cells -= leaving.num_rows if leaving is not None else 0
    return meta | {"n_cells": n_cells, "labels": {k: n for k, n in labels.items() if n > 0}}


def _in_memory(table: pa.Table, change: Change, meta: dict[str, Any]) -> State:
    if change.delete is not None:
        positions = change.delete
        if isinstance(positions, str):
            positions = searchable(table).row_positions(positions)
        stays = np.ones(table.num_rows, dtype=bool)
        stays[positions] = False
        table = table.filter(pa.array(stays))
    if change.append is not None:
        parts = [table, _with_all_columns(change.append, table.schema)]
        table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    return State(table, dict(change.meta or meta), None)


def _with_all_columns(new: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        new[field.name].cast(field.type)
        if field.name in new.schema.names
        else pa.nulls(new.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
