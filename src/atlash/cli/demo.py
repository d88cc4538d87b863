"""``atlash demo``: the main job on 700 real cells."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from atlash.cli.tables import print_scores
from atlash.errors import InputError, OutputError

if TYPE_CHECKING:
    from anndata import AnnData

LABELS_KEY = "bulk_labels"
HELD_OUT = 0.3


def demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the split and of learning.")] = 0,
) -> None:
    """Build a reference from real blood cells, annotate held-out ones, and show how it went."""
    from atlash.config import AnnotateConfig, BuildConfig
    from atlash.data.write import atomic_path
    from atlash.keys import ASSIGNED, AnnotationKeys
    from atlash.pl import confusion
    from atlash.reference import Reference
    from atlash.tl import annotate
    from atlash.tl.scores import score_labels

    console = Console()
    _make_folder(out)
    labelled, held_out = _split(_blood_cells(), seed)
    console.print(
        f"{labelled.n_obs} labelled cells of {labelled.obs[LABELS_KEY].nunique()} blood types "
        f"make the reference; {held_out.n_obs} held-out cells are annotated."
    )
    started = time.perf_counter()
    reference = Reference.build(
        labelled, LABELS_KEY, layer="raw", config=BuildConfig(device="cpu"), random_state=seed
    )
    built = time.perf_counter()
    annotate(held_out, reference, layer="raw", config=AnnotateConfig(progress=False))
    done = time.perf_counter()

    keys = AnnotationKeys()
    assigned = (held_out.obs[keys.status] == ASSIGNED).to_numpy()
    print_scores(score_labels(held_out.obs[LABELS_KEY], held_out.obs[keys.nearest], assigned))
    console.print(f"Time: {built - started:.1f} s to build, {done - built:.1f} s to annotate\n")

    reference.save(out / "pbmc.atlash", overwrite=True)
    with atomic_path(out / "annotated.h5ad") as path:
        held_out.write_h5ad(path)
    with atomic_path(out / "confusion.png") as path:
        figure = confusion(held_out, LABELS_KEY).get_figure(root=True)
        assert figure is not None  # the Axes were made a moment ago
        figure.savefig(path, dpi=150)
    for name, what in (
        ("pbmc.atlash", "the reference"),
        ("annotated.h5ad", "the annotated cells"),
        ("confusion.png", "which types are taken for which"),
    ):
        console.print(Text(f"{out / name}: {what}"), soft_wrap=True)


def _make_folder(out: Path) -> None:
    """Make the folder for what the demo makes, before the work and not after."""
    from atlash.data.write import check_folder

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"The folder '{out}' cannot be made: {error.strerror}. Choose another one, for "
            "example `--out demo`."
        )
        raise OutputError(msg) from error
    check_folder(out / "annotated.h5ad")


def _blood_cells() -> AnnData:
    """Return the 700 blood cells of 10x Genomics that ship inside scanpy's wheel."""
    try:
        import scanpy as sc
    except ImportError as error:
        msg = (
            "The demo's cells ship inside scanpy, which is not installed. "
            "Install it with: pip install 'atlash[demo]'"
        )
        raise InputError(msg) from error
    return sc.datasets.pbmc68k_reduced()


def _split(adata: AnnData, seed: int) -> tuple[AnnData, AnnData]:
    from sklearn.model_selection import train_test_split

    reference, query = train_test_split(
        range(adata.n_obs), test_size=HELD_OUT, stratify=adata.obs[LABELS_KEY], random_state=seed
    )
    return adata[sorted(reference)].copy(), adata[sorted(query)].copy()
