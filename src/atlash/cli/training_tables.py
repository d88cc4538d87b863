"""What a pre-trained encoder is, as a table that a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def print_pretrained(info: Mapping[str, Any], path: Path) -> None:
    """Print what an encoder is and what it was learned from."""
    console = Console()
    learned, settings = info["learned"], info["settings"]
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("Encoder", Text(f"{path} ({info['n_parameters']:,} weights)"))
    state = "finished" if learned["finished"] else "not finished; --resume goes on"
    facts.add_row("Steps", f"{learned['n_steps']:,} of {settings['n_steps']:,}, {state}")
    facts.add_row("Loss", f"{learned['recent_loss']:.4f} in the last steps")
    named = f"named like {info['example_gene']} ({info['genes_named_by']})"
    facts.add_row("Vocabulary", Text(f"{info['n_genes']:,} genes, {named}"))
    facts.add_row("Fingerprint", info["fingerprint"][:16])
    facts.add_row("Made", f"{info['created']} by atlash {info['atlash_version']}")
    console.print(facts)
    sources = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    sources.add_column("Cells from", overflow="fold")
    for name in ("Cells", "Genes", "Known"):
        sources.add_column(name, justify="right")
    sources.add_column("Unknown, for example", overflow="fold")
    for source in info["sources"]:
        numbers = (source[name] for name in ("n_cells", "n_genes", "n_genes_known"))
        examples = ", ".join(source["unknown_examples"]) or "none"
        shown = (f"{number:,}" for number in numbers)
        sources.add_row(Text(source["name"]), *shown, Text(examples))
    console.print(sources)
