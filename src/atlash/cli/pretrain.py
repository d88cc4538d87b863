"""``atlash pretrain``: learn an encoder from cells without labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlash.cli import options
from atlash.cli.frames import check_apart, check_outside
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import ScaleOption, ValuesOption
from atlash.cli.tables import print_json
from atlash.cli.training_tables import print_pretrained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlash.config import TransformerConfig


def pretrain(
    cells: Annotated[list[Path], typer.Argument(help="Cells (.h5ad or .zarr), no labels needed.")],
    *,
    out: options.EncoderFolder,
    resume: options.Resume = False,
    batch_key: options.DomainKey = None,
    vocabulary: options.Vocabulary = None,
    genes: Annotated[int, typer.Option(min=2, help="Most genes that are chosen.")] = 8000,
    tokens: Annotated[int, typer.Option(min=2, help="Most genes of a cell that are read.")] = 512,
    values: options.Values = ValuesOption.bins,
    width: Annotated[int, typer.Option(help="Length of an embedding.")] = 128,
    layers: Annotated[int, typer.Option(help="Layers of the Transformer.")] = 4,
    heads: Annotated[int, typer.Option(help="Attention heads of a layer.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 10_000,
    batch_size: Annotated[int, typer.Option(help="Cells a step, a multiple of 8.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Greatest learning rate.")] = 1e-3,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    device: options.Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn an encoder from CELLS without labels. Ctrl-C ends early; --resume goes on."""
    from atlash.config import PretrainConfig
    from atlash.models.pretrained import PretrainedEncoder

    check_outside(out)
    check_apart(out, {f"input {path.name}": path for path in cells})
    config = PretrainConfig(
        model=_shape(tokens, values, width, layers=layers, heads=heads),
        n_genes=genes,
        n_steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        layer=layer,
        gene_column=gene_column,
        scale=scale.value,
        device=device,
        n_threads=threads,
        progress=not quiet,
    )
    with warnings_as_notes(pretrain):
        encoder = PretrainedEncoder.pretrain(
            [*cells],
            out,
            batch_key=batch_key,
            vocabulary=None if vocabulary is None else _names(vocabulary),
            resume=resume,
            config=config,
            random_state=seed,
        )
    _report(encoder.info(), out, as_json=as_json)


def _shape(
    tokens: int, values: ValuesOption, width: int, *, layers: int, heads: int
) -> TransformerConfig:
    """Return the Transformer asked for, its feed-forward part four times as wide as its tokens."""
    from atlash.config import TransformerConfig

    return TransformerConfig(
        n_tokens=tokens,
        values=values.value,
        width=width,
        n_layers=layers,
        n_heads=heads,
        n_hidden=4 * width,
    )


def _report(info: Mapping[str, Any], out: Path, *, as_json: bool) -> None:
    """Print what was learned; end with the code of an interruption where there was one.

    Of several processes that torchrun has started, the first alone prints.
    """
    if os.environ.get("RANK", "0") == "0":
        if as_json:
            print_json(info)
        else:
            print_pretrained(info, out)
    if not info["learned"]["finished"]:
        raise typer.Exit(130)


def _names(path: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises
    ------
    FileFormatError
        If it cannot be read as text.
    """
    from atlash.errors import FileFormatError

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The vocabulary {str(path)!r} cannot be read: {error}. Give text, one gene a line."
        raise FileFormatError(msg) from error
    return [line.strip() for line in lines if line.strip()]
