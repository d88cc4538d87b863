"""Finding and fetching some of the cells of a Lance dataset."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlash.data.parallel import ordered_map
from atlash.progress import n_threads_or_all
from atlash.reference.columns import user_names
from atlash.reference.filters import filter_sql, refuse_planned

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from numpy.typing import NDArray

Part = TypeVar("Part")

_SCAN_ROWS = 65_536  # fastest of 1,024 to 1,048,576 over 10 million rows
_LOOK_ROWS = 1_048_576  # a fragment; the values looked for are hashed anew for each batch
_TAKE_ROWS = 20_000  # the addresses are parsed as text

_PARSED = re.compile(r"\(sql parser error: (.*)\)$")
_LITERAL = re.compile(r"literal \w+\((.*)\) and could not convert to literal of type '([^']+)'")
LANCE_ERRORS = (OSError, RuntimeError, ValueError, pa.ArrowException)
"""What Lance raises where it cannot plan, read or write."""


def planned_filter(dataset: Any, predicate: str) -> str:  # noqa: ANN401 (lance is untyped)
    """Return a predicate as Lance takes it, after it was planned for this dataset.

    Raises
    ------
    InputError
        If it is no predicate over the columns: of names unknown, types that do not fit, or no
        predicate at all.
    """
    columns = dataset.schema.names
    renamed = {user: stored for stored, user in user_names(dataset.schema).items()}
    sql = filter_sql(predicate, columns, renamed)
    try:
        dataset.scanner(columns=[], with_row_address=True, filter=sql).explain_plan()
    except LANCE_ERRORS as error:
        refuse_planned(predicate, columns, brief(error))
    return sql


def filtered_addresses(dataset: Any, predicate: str) -> NDArray[np.uint64]:  # noqa: ANN401
    """Return the addresses of the rows for which a predicate holds, in order."""
    sql = planned_filter(dataset, predicate)

    def scan(fragments: list[Any]) -> NDArray[np.uint64]:
        scanner = dataset.scanner(
            columns=[],
            with_row_address=True,
            filter=sql,
            batch_size=_SCAN_ROWS,
            fragments=fragments,
        )
        addresses: NDArray[np.uint64] = scanner.to_table()["_rowaddr"].to_numpy()
        return addresses

    with evaluating(dataset, predicate):
        return np.concatenate(_in_parts(dataset, scan))


def filtered_table(dataset: Any, predicate: str, columns: list[str] | None) -> pa.Table:  # noqa: ANN401
    """Return the rows for which a predicate holds, in order."""
    sql = planned_filter(dataset, predicate)
    with evaluating(dataset, predicate):
        return dataset.to_table(columns=columns, filter=sql)


def taken_rows(
    dataset: Any,  # noqa: ANN401
    addresses: NDArray[np.uint64],
    columns: list[str] | None,
) -> pa.Table:
    """Return rows by their addresses, in the order asked for; one may occur several times.

    Lance's own ``take`` by position takes seconds where rows were deleted.
    """
    unique, wanted = np.unique(addresses, return_inverse=True)
    parts = [
        dataset.scanner(
            columns=columns,
            with_row_address=True,
            filter=address_filter(unique[start : start + _TAKE_ROWS]),
        ).to_table()
        for start in range(0, max(len(unique), 1), _TAKE_ROWS)
    ]
    found = pa.concat_tables(parts)
    order = np.argsort(found["_rowaddr"].to_numpy())
    return found.drop_columns("_rowaddr").take(order[wanted])


def address_filter(addresses: NDArray[np.uint64]) -> str:
    """Return the predicate that holds for rows at these addresses."""
    if len(addresses) == 0:
        return "false"
    return f"_rowaddr IN ({','.join(map(str, addresses.tolist()))})"


def positions_of_values(
    dataset: Any,  # noqa: ANN401
    column: str,
    values: pa.Array,
    *,
    among: Collection[int] | None = None,
) -> NDArray[np.int64]:
    """Return the position of each value in a column, -1 where it is not there.

    Of a value that occurs several times the last row counts.

    Parameters
    ----------
    dataset
        The open ``lance.LanceDataset``.
    column
        Name of the column, which is scanned once.
    values
        What to look for ``(n,)``, of the column's type.
    among
        Numbers of the fragments to look in; ``None`` stands for all.
    """
    unique = values.unique()

    def scan(fragment: Any) -> NDArray[np.int64]:  # noqa: ANN401
        """Return the last row of each value among those of a fragment, or -1."""
        last, first = np.full(len(unique), -1, dtype=np.int64), 0
        scanner = dataset.scanner(columns=[column], batch_size=_LOOK_ROWS, fragments=[fragment])
        for batch in scanner.to_batches():
            place = pc.index_in(batch.column(0), value_set=unique)
            rows = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
            last[place.drop_null().to_numpy()] = first + rows
            first += batch.num_rows
        return last

    fragments = dataset.get_fragments()
    firsts = np.cumsum([0, *(f.physical_rows - f.num_deletions for f in fragments)])
    looked = [n for n, f in enumerate(fragments) if among is None or f.fragment_id in among]
    found = ordered_map(scan, [fragments[n] for n in looked], n_threads=n_threads_or_all(None))
    positions = np.full(len(unique), -1, dtype=np.int64)
    for first, last in zip(firsts[looked], found, strict=True):
        positions = np.where(last >= 0, first + last, positions)
    place_of_value: NDArray[np.int32] = pc.index_in(values, value_set=unique).to_numpy()
    return positions[place_of_value]


def _in_parts(dataset: Any, scan: Callable[[list[Any]], Part]) -> list[Part]:  # noqa: ANN401
    """Return what a scan makes of the fragments, some in a row for each core, in order.

    Lance itself filters with one thread.
    """
    fragments = dataset.get_fragments()
    n_parts = max(1, min(n_threads_or_all(None), len(fragments)))
    bounds = [len(fragments) * part // n_parts for part in range(n_parts + 1)]
    parts = [fragments[start:stop] for start, stop in pairwise(bounds)]
    return list(ordered_map(scan, parts, n_threads=n_parts))


def brief(error: Exception) -> str:
    """Return what Lance says, without the place in its source code and the query around it."""
    told = str(error).split(", /")[0].strip().rstrip(".").replace("Invalid user input: ", "")
    if parsed := _PARSED.search(told):
        return f"parser error: {parsed[1]}"
    if literal := _LITERAL.search(told):
        return f"{literal[1]} could not convert to the kind of its column, {_kind(literal[2])}"
    return told


def _kind(kind: str) -> str:
    """Return a kind of columns, and how what is compared with such a column is written."""
    if kind == "Utf8":
        return "text, which stands in single quotes"
    if kind.startswith(("Timestamp", "Date")):
        return f"{kind}: write date '2024-02-01' or timestamp '2024-02-01 10:00:00'"
    if "Int" in kind:
        return f"{kind}: compare it with a whole number in its range, or write `column + 0.0`"
    return kind


@contextmanager
def evaluating(dataset: Any, predicate: str) -> Iterator[None]:  # noqa: ANN401
    """Turn what goes wrong while a predicate is computed into an :class:`InputError`."""
    try:
        yield
    except LANCE_ERRORS as error:
        if "Error applying filter" not in str(error):
            raise
        refuse_planned(predicate, dataset.schema.names, brief(error))
