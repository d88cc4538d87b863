"""``atlash audit``: what is odd about a saved reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.audit_tables import print_audit
from atlash.cli.frames import check_output, write_table
from atlash.cli.messages import warnings_as_notes
from atlash.cli.tables import print_json


def audit(
    reference: Annotated[Path, typer.Argument(help="Saved reference (a folder).")],
    *,
    batch_key: Annotated[
        str | None,
        typer.Option(help="Column with the batch; by default the one it was built with."),
    ] = None,
    most: Annotated[int, typer.Option(min=0, help="Most rows of each finding.")] = 1000,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write all rows to (.csv, .parquet, .json)."),
    ] = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Look for duplicated cells, cells between types, odd bits and doubtful labels."""
    import pyarrow as pa

    from atlash.reference import Reference
    from atlash.reference.audit import audit as run

    if output is not None:
        check_output(output)
    with warnings_as_notes(audit):
        loaded = Reference.load(reference)
        report = run(loaded, batch_key=batch_key, most=most, progress=not quiet)
        if output is not None:
            rows = pa.Table.from_pandas(report.to_frame(), preserve_index=False)
            write_table(rows, output)
    if as_json:
        print_json(report.summary | ({"output": str(output)} if output else {}))
    else:
        print_audit(report, reference, output)
