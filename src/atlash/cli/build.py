"""``atlash build``: learn a reference and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import LossOption, ScaleOption
from atlash.cli.tables import print_json, print_reference


def build(
    cells: Annotated[list[Path], typer.Argument(help="Labelled cells (.h5ad or .zarr).")],
    *,
    labels_key: options.LabelsKey,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to save to.")],
    batch_key: options.BatchKey = None,
    hierarchy: options.Hierarchy = None,
    parent: options.Parent = None,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    bits: options.Bits = None,
    loss: options.Loss = LossOption.tail_adjusted,
    guard: options.Guard = False,
    mine: options.Mine = False,
    encoder: options.Encoder = None,
    device: options.Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    max_unlabelled: options.MaxUnlabelled = 0.5,
    use_unlabelled: options.UseUnlabelled = False,
    threads: options.Threads = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a reference that is there.")] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn a reference from labelled CELLS and save it as a folder."""
    from atlash.config import BuildConfig, MiningConfig, TrainConfig
    from atlash.reference import Reference
    from atlash.reference.store import check_target

    check_target(output, overwrite=overwrite)
    guarded = MiningConfig(steps_share=0) if guard else None
    mining = MiningConfig() if mine else guarded
    config = BuildConfig(
        train=TrainConfig(n_bits=bits, loss=loss.value, mining=mining),
        encoder=None if encoder is None else str(encoder),
        scale=scale.value,
        hierarchy=hierarchy,
        parents=tuple(parent) if parent else None,
        max_unlabelled=max_unlabelled,
        use_unlabelled=use_unlabelled,
        device=device,
        n_threads=threads,
        progress=not quiet,
    )
    with warnings_as_notes(build):
        reference = Reference.build(
            [*cells] if len(cells) > 1 else cells[0],
            labels_key[0] if len(labels_key) == 1 else labels_key,
            batch_key,
            layer=layer,
            gene_column=gene_column,
            config=config,
            random_state=seed,
        )
        reference.save(output, overwrite=overwrite)
    if as_json:
        print_json(reference.info())
    else:
        print_reference(reference.info(), output)
