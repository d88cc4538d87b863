"""Tables as files: CSV, Parquet or JSON, by the ending of the name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlash.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

SUFFIXES = (".csv", ".parquet", ".json")


def check_output(output: Path) -> None:
    """Refuse an output that cannot be, before the work and not after.

    Raises
    ------
    OutputError
        If the ending is another, the folder is missing, or it is a saved reference.
    """
    from atlash.reference.manifest import MANIFEST

    if output.suffix not in SUFFIXES:
        msg = f"The output {output.name!r} must end in one of {', '.join(SUFFIXES)}."
        raise OutputError(msg)
    if output.is_dir():
        msg = f"The output '{output}' is a folder. Results go to a file; choose another name."
        raise OutputError(msg)
    folder = output.resolve().parent
    if not folder.is_dir():
        msg = f"'{output}' cannot be written: there is no folder '{folder}'. Make it."
        raise OutputError(msg)
    if any((parent / MANIFEST).is_file() for parent in (folder, *folder.parents)):
        msg = f"The output '{output}' lies within a saved reference. Choose another folder."
        raise OutputError(msg)


def write_table(table: pa.Table, output: Path) -> None:
    """Write a table whole or not at all; JSON has one object a row."""
    import pyarrow.csv
    import pyarrow.parquet

    from atlash.data.write import atomic_path

    with atomic_path(output) as path:
        if output.suffix == ".parquet":
            pyarrow.parquet.write_table(table, path)
        elif output.suffix == ".csv":
            pyarrow.csv.write_csv(table, path)
        else:
            table.to_pandas().to_json(path, orient="records", indent=1)
