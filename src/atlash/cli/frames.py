"""Tables as files: CSV, Parquet or JSON, by the ending of the name."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, Any

from atlash.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

SUFFIXES = (".csv", ".parquet", ".json")


def check_output(output: Path) -> None:
    """Refuse an output that cannot be, before the work and not after.

    Raises
    ------
    OutputError
        If the ending is another, the folder is missing or cannot be written, or it is a saved
        reference.
    """
    from atlash.data.write import check_folder

    if output.suffix not in SUFFIXES:
        msg = f"The output {output.name!r} must end in one of {', '.join(SUFFIXES)}."
        raise OutputError(msg)
    if output.is_dir():
        msg = f"The output '{output}' is a folder. Results go to a file; choose another name."
        raise OutputError(msg)
    check_folder(output)
    check_outside(output)


def write_table(table: pa.Table, output: Path) -> None:
    """Write a table whole or not at all; JSON has one object a row.

    Bytes, such as codes, are hexadecimal digits in CSV and JSON, and times are ISO 8601.
    """
    import pyarrow.csv
    import pyarrow.parquet

    from atlash.data.write import atomic_path

    with atomic_path(output) as path:
        if output.suffix == ".parquet":
            pyarrow.parquet.write_table(table, path)
        elif output.suffix == ".csv":
            pyarrow.csv.write_csv(without_bytes(table), path)
        else:
            _write_json(table, path)


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table as they are in a file of JSON."""
    text = StringIO()
    _write_json(table, text)
    rows: list[dict[str, Any]] = json.loads(text.getvalue())
    return rows


def _write_json(table: pa.Table, target: Path | StringIO) -> None:
    # 15 digits are the most that pandas writes; missing entries would make floats of ints
    without_bytes(table).to_pandas(integer_object_nulls=True).to_json(
        target, orient="records", indent=1, date_format="iso", double_precision=15
    )


def without_bytes(table: pa.Table) -> pa.Table:
    """Return a table with bytes as hexadecimal digits, as they may be no text."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_fixed_size_binary(field.type):
            digits = [None if value is None else value.hex() for value in table[place].to_pylist()]
            table = table.set_column(place, field.name, pa.array(digits, pa.string()))
    return table


def check_outside(output: Path) -> None:
    """Refuse an output that is a saved reference or lies in one, which is no place for others.

    Raises
    ------
    OutputError
        If it does.
    """
    place = output.expanduser().resolve()
    if any(is_reference(folder) for folder in (place, *place.parents)):
        msg = f"The output '{output}' lies within a saved reference. Choose another folder."
        raise OutputError(msg)


def check_apart(output: Path, others: Mapping[str, Path]) -> None:
    """Refuse an output that is another file of a command, lies in it or holds it.

    Raises
    ------
    OutputError
        If one of the two would be lost.
    """
    place = output.expanduser().resolve()
    for what, path in others.items():
        other = path.expanduser().resolve()
        if place in (other, *other.parents) or other in place.parents:
            msg = (
                f"'{output}' and the {what} '{path}' are one or lie one in the other, and one "
                "would be lost. Choose another place."
            )
            raise OutputError(msg)


def is_reference(folder: Path) -> bool:
    """Tell whether a folder holds a reference, be it whole or damaged."""
    from atlash.reference.manifest import FORMAT, MANIFEST

    try:
        with (folder / MANIFEST).open("rb") as file:
            return FORMAT.encode() in file.read(200)
    except OSError:
        return False
