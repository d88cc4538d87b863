"""``atlash annotate``: label the cells of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from atlash.cli import options
from atlash.cli.frames import check_outside
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import AnchorOption, ScaleOption
from atlash.cli.tables import print_annotation, print_json


def annotate(
    query: Annotated[Path, typer.Argument(help="Cells to label (.h5ad or .zarr).")],
    *,
    reference: options.ReferencePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Labelled copy to write, of the query's format.")
    ],
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    method: options.AnchorMethod = AnchorOption.asymmetric,
    min_shared: options.MinShared = 0.5,
    force: Annotated[
        bool, typer.Option("--force", help="Give every cell the label of its nearest type.")
    ] = False,
    min_confidence: options.MinConfidence = 0.5,
    max_lost: options.MaxLost = 0.05,
    min_genes: options.MinGenes = 20,
    vote: options.Vote = None,
    match_query: options.MatchQuery = False,
    key_added: options.KeyAdded = "atlash",
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Label the cells of QUERY from a saved reference; the query itself is left as it is."""
    from atlash.config import AnnotateConfig
    from atlash.data.write import check_copy, write_annotated_copy
    from atlash.keys import AnnotationKeys
    from atlash.reference import Reference
    from atlash.tl.annotate import Request, annotate_cells
    from atlash.tl.parents import parent_columns

    check_copy(query, output)
    check_outside(output)
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
    request = Request(layer, gene_column, force, AnnotationKeys(key_added), config)
    with warnings_as_notes(annotate):
        result = annotate_cells(query, Reference.load(reference), request)
        columns: dict[str, Any] = dict.fromkeys(parent_columns(request.keys))  # of an earlier run
        columns |= {str(name): result.obs[name] for name in result.obs}
        write_annotated_copy(query, output, obs=columns, obsm=result.obsm, uns=result.uns)
    if as_json:
        print_json(result.summary | {"output": str(output)})
    else:
        print_annotation(result.summary, output)
