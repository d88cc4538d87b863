"""``atlash add``, ``register``, ``remove`` and ``merge``: a saved reference that grows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from atlash.cli import options
from atlash.cli.messages import warnings_as_notes
from atlash.cli.tables import print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlash.reference import Reference


class DuplicateOption(StrEnum):
    """What happens to cells whose id is there; see :meth:`atlash.Reference.add`."""

    REFUSE = "refuse"
    REPLACE = "replace"
    KEEP = "keep"


OnDuplicate = Annotated[
    DuplicateOption,
    typer.Option(help="Cells whose id is there: refuse, replace the old, or keep the old."),
]
Target = Annotated[Path, typer.Argument(help="Saved reference (a folder) to change.")]


def add(
    reference: Target,
    cells: Annotated[list[Path], typer.Argument(help="Cells to add (.h5ad or .zarr).")],
    *,
    labels_key: Annotated[
        str | None, typer.Option(help="Column of obs with the cell types; none without.")
    ] = None,
    on_duplicate: OnDuplicate = DuplicateOption.REFUSE,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Add CELLS to a saved REFERENCE, without learning anew."""
    from atlash.reference import Reference

    with warnings_as_notes(add):
        loaded = Reference.load(reference, verify=False)
        before = loaded.version
        loaded.add(
            cells,
            labels_key,
            layer=layer,
            gene_column=gene_column,
            on_duplicate=on_duplicate.value,
            n_threads=threads,
            progress=not quiet,
        )
    _report(loaded, before, as_json=as_json)


def register(
    reference: Target,
    cells: Annotated[Path, typer.Argument(help="Cells of the new type alone (.h5ad or .zarr).")],
    *,
    name: Annotated[str, typer.Option(help="Name of the new type.")],
    known_parent: options.KnownParent = None,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    as_json: options.AsJson = False,
) -> None:
    """Teach a saved REFERENCE a new type from a few of its CELLS: 5 at least, better 20."""
    from atlash.reference import Reference

    with warnings_as_notes(register):
        loaded = Reference.load(reference, verify=False)
        before = loaded.version
        loaded.register_type(
            name, cells, layer=layer, gene_column=gene_column, parent=known_parent
        )
    measured = next(e for e in loaded.meta["registered"] if e["name"] == name)
    _report(loaded, before, as_json=as_json, beside={"registered": measured})
    if not as_json:
        Console(markup=False, emoji=False).print(
            f"Of held-out cells, {measured['found']:.1%} of the new type are found and "
            f"{measured['given_up']:.1%} of the known types given up (mean over types)\n"
            f"Hardest to tell from {measured['closest']!r} (AUROC {measured['auroc']:.3f})"
        )


def remove(
    reference: Target,
    *,
    where: Annotated[str, typer.Option(help="Condition in SQL: \"study = 'X'\".")],
    as_json: options.AsJson = False,
) -> None:
    """Remove the cells of a saved REFERENCE that meet a condition; older versions keep them."""
    from atlash.reference import Reference

    loaded = Reference.load(reference, verify=False)
    before = loaded.version
    loaded.remove(where)
    _report(loaded, before, as_json=as_json)


def merge(
    reference: Target,
    others: Annotated[list[Path], typer.Argument(help="References with the same encoder.")],
    *,
    on_duplicate: OnDuplicate = DuplicateOption.REFUSE,
    as_json: options.AsJson = False,
) -> None:
    """Add the cells of OTHERS to a saved REFERENCE."""
    from atlash.reference import Reference

    with warnings_as_notes(merge):
        loaded = Reference.load(reference, verify=False)
        before = loaded.version
        loaded.merge([Reference.load(path) for path in others], on_duplicate=on_duplicate.value)
    _report(loaded, before, as_json=as_json)


def _report(
    reference: Reference,
    before: int | None,
    *,
    as_json: bool,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Print the version that was made, if any was, and in JSON what else is known."""
    made = next(v for v in reference.versions() if v.number == reference.version)
    if as_json:
        print_json(vars(made) | {"changed": made.number != before} | dict(beside or {}))
        return
    console = Console(markup=False, emoji=False)
    if made.number == before:
        console.print(f"Nothing to change: version {before} stays")
    else:
        console.print(f"Version {made.number}: {made.note}", soft_wrap=True)
    console.print(f"Cells: {made.n_cells:,}")
