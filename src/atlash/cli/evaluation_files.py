"""What ``atlash evaluate`` reads and writes beside cells."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from atlash.cli.frames import check_outside
from atlash.data.write import atomic_path, check_folder
from atlash.errors import FileFormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from atlash.tl import Evaluation
    from atlash.tl.evaluation import Level

TABLES = ("per_type.csv", "unknown_types.csv", "confusion.csv", "confusion.png")
"""Files of the finest level."""
PARENT_TABLES = tuple(name.replace(".", "_parent.") for name in TABLES)
"""Files of the level of parents."""
SUMMARY = "summary.json"
COLUMNS = ["from", "to"]
MOST_PIXELS = 6000
"""Of a picture, each way."""


def check_folder_out(out: Path, query: Path) -> None:
    """Refuse a folder that cannot take results, before the work and not after.

    Raises
    ------
    OutputError
        If it is a file, the query or within it, or within a saved reference, or it cannot be
        made or written to.
    """
    place, source = out.expanduser().resolve(), query.expanduser().resolve()
    if source in (place, *place.parents):
        msg = f"The output '{out}' is the input. Results go to a folder; choose another name."
        raise OutputError(msg)
    if place.exists() and not place.is_dir():
        msg = f"The output '{out}' is a file. Results go to a folder; choose another name."
        raise OutputError(msg)
    check_outside(out)
    check_folder(place / SUMMARY if place.is_dir() else place)
    for name in (*TABLES, *PARENT_TABLES, SUMMARY):
        if (place / name).is_dir():
            msg = (
                f"'{out / name}' is a folder, where a file of results goes. Choose another folder."
            )
            raise OutputError(msg)


def write_evaluation(found: Evaluation, out: Path) -> None:
    """Write tables, summary and pictures: all files whole, or none.

    Parameters
    ----------
    found
        What to write. The names of files of the level of parents end in ``_parent``.
    out
        Folder, which is made; files of these names in it are replaced, and those of a level of
        parents that is not there any more are removed.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    out = out.expanduser()
    check_folder(out)
    new = not out.exists()
    if new:
        out.mkdir()
    try:
        with ExitStack() as stack:
            for level, names in zip(reversed(found.levels), (TABLES, PARENT_TABLES), strict=False):
                _write_level(level, [stack.enter_context(atomic_path(out / n)) for n in names])
            summary = stack.enter_context(atomic_path(out / SUMMARY))
            summary.write_text(found.to_json() + "\n", encoding="utf-8")
        if len(found.levels) == 1:  # those of an earlier run would be taken for this one's
            _remove(out / name for name in PARENT_TABLES)
    except BaseException:
        if new and not any(out.iterdir()):
            out.rmdir()
        raise


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            msg = (
                f"'{path}' is of an earlier run and cannot be removed: {error.strerror}. Remove "
                "it, or choose another folder."
            )
            raise OutputError(msg) from error


def _write_level(level: Level, paths: Sequence[Path]) -> None:
    from atlash.pl import confusion

    table, unknown, counts, picture = paths
    level.per_type.to_csv(table)
    level.unknown_types.to_csv(unknown)
    level.confusion.to_csv(counts)
    figure = confusion(level.confusion).get_figure(root=True)
    assert figure is not None  # the Axes were made a moment ago
    figure.savefig(picture, dpi=min(150, MOST_PIXELS / max(figure.get_size_inches())))


def read_rename(path: Path) -> dict[str, str | None]:
    """Read the reference's name of types that a query calls otherwise.

    Parameters
    ----------
    path
        CSV file whose first line is ``from,to``; an empty second field leaves the cells of a
        type out.

    Raises
    ------
    FileFormatError
        If the file is missing or no such table, or gives one type two names.
    """
    try:
        with path.expanduser().open(encoding="utf-8-sig", newline="") as file:
            rows = [[field.strip() for field in row] for row in csv.reader(file) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV file in UTF-8"
        msg = f"'{path}' cannot be read: {reason}. {_EXAMPLE}"
        raise FileFormatError(msg) from error
    if not rows or rows[0] != COLUMNS:
        found = ",".join(rows[0]) if rows else "nothing"
        msg = f"The first line of '{path}' must be 'from,to', but is {found!r}. {_EXAMPLE}"
        raise FileFormatError(msg)
    mapping: dict[str, str | None] = {}
    for row in rows[1:]:
        if len(row) != len(COLUMNS):
            msg = f"'{path}' has the line {','.join(row)!r}, which has not two fields. {_EXAMPLE}"
            raise FileFormatError(msg)
        old, new = row[0], row[1] or None
        if mapping.setdefault(old, new) != new:
            msg = f"'{path}' gives {old!r} two names, {mapping[old]!r} and {new!r}. Remove one."
            raise FileFormatError(msg)
    return mapping


_EXAMPLE = (
    "A file to rename types looks so: a line 'from,to', then a line such as 'T helper,CD4 T cell' "
    "for each type. Names with commas stand in double quotes."
)
