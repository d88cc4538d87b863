"""``atlash search``: the cells of a reference that are most similar to those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.frames import check_output, json_rows, write_table
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import MethodOption, RankingOption, ScaleOption
from atlash.cli.search_tables import hits_summary, print_hits, print_nearest
from atlash.cli.tables import print_json


def search(
    query: Annotated[Path, typer.Argument(help="Cells to look for (.h5ad or .zarr).")],
    *,
    reference: options.ReferencePath,
    k: options.K = None,
    where: options.Where = None,
    radius: options.Radius = None,
    exclude: options.Exclude = None,
    columns: options.Columns = None,
    output: options.HitsFile = None,
    ranking: options.Ranking = RankingOption.asymmetric,
    method: options.Method = MethodOption.auto,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    min_shared: options.MinShared = 0.5,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the cells of a saved reference that are most similar to those of QUERY.

    All hits go to --output, with the columns cell_id and label unless --columns names others.
    Without --output and with --columns the nearest are printed, and with --json all.
    """
    from atlash.config import SearchConfig
    from atlash.reference import Reference
    from atlash.reference.columns import CELL_ID, LABEL
    from atlash.tl.search import search as run

    if output is not None:
        check_output(output)
    config = SearchConfig(
        ranking=ranking.value,
        method=method.value,
        layer=layer,
        gene_column=gene_column,
        scale=scale.value,
        min_shared=min_shared,
        n_threads=threads,
        progress=not quiet,
    )
    listed = f"{CELL_ID},{LABEL}" if columns is None else columns
    wanted = [name.strip() for name in listed.split(",") if name.strip()]
    rows = None
    with warnings_as_notes(search):
        loaded = Reference.load(reference)
        loaded.index.cells.check_columns(wanted)
        hits = run(query, loaded, k, where=where, radius=radius, exclude=exclude, config=config)
        if output is not None:
            write_table(hits.to_arrow(wanted), output)
        elif columns is not None:
            rows = hits.to_arrow(wanted)
    summary = hits_summary(hits, output)
    if as_json:
        print_json(summary | ({} if rows is None else {"rows": json_rows(rows)}))
        return
    if rows is not None:
        print_nearest(rows, len(hits))
    print_hits(summary)
