"""``atlash evaluate``: how well a reference labels cells whose types are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.evaluation_tables import print_evaluation
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import AnchorOption, ScaleOption
from atlash.cli.tables import print_json


def evaluate(
    query: Annotated[Path, typer.Argument(help="Cells whose types are known (.h5ad or .zarr).")],
    *,
    labels_key: options.TrueLabelsKey,
    reference: options.ReferenceIfAny = None,
    out: options.ResultFolder = None,
    rename: options.Rename = None,
    key_added: options.KeyEvaluated = None,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    method: options.AnchorMethod = AnchorOption.asymmetric,
    min_shared: options.MinShared = 0.5,
    min_confidence: options.MinConfidence = 0.5,
    max_lost: options.MaxLost = 0.05,
    min_genes: options.MinGenes = 20,
    vote: options.Vote = None,
    match_query: options.MatchQuery = False,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell how well a saved reference labels QUERY, whose types are known.

    A reference with a hierarchy is told about level by level: parents, then types.
    """
    from atlash.cli.evaluation_files import check_folder_out, read_rename, write_evaluation
    from atlash.config import AnnotateConfig
    from atlash.reference import Reference
    from atlash.tl.evaluate import evaluate as run

    if out is not None:
        check_folder_out(out, query)
    config = AnnotateConfig(
        method=method.value,
        min_confidence=min_confidence,
        max_lost=max_lost,
        min_genes=min_genes,
        vote=vote,
        match_query=match_query,
        scale=scale.value,
        min_shared=min_shared,
        n_threads=threads,
        progress=not quiet,
    )
    names = None if rename is None else read_rename(rename)
    with warnings_as_notes(evaluate):
        found = run(
            query,
            None if reference is None else Reference.load(reference),
            labels_key=labels_key[0] if len(labels_key) == 1 else labels_key,
            rename=names,
            key_added=key_added,
            layer=layer,
            gene_column=gene_column,
            config=config,
        )
        if out is not None:
            write_evaluation(found, out)
    if as_json:
        print_json(found.to_dict())
    else:
        for level in found.levels:
            print_evaluation(level, titled=len(found.levels) > 1)
        if out is not None:
            typer.echo(f"Written: {out}")
