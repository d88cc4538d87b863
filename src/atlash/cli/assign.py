"""``atlash assign``: put the cells of a file into clusters that were found before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from atlash.cli import options
from atlash.cli.frames import check_apart, check_outside
from atlash.cli.messages import warnings_as_notes
from atlash.cli.tables import print_assigned, print_json


def assign(
    cells: Annotated[Path, typer.Argument(help="Cells to put into clusters (.h5ad or .zarr).")],
    output: Annotated[
        Path, typer.Argument(help="Copy with clusters to write, of the input's format.")
    ],
    *,
    clusterer: options.FittedClusterer,
    batch_key: options.KnownBatchKey = None,
    layer: options.LayerIfAny = None,
    gene_column: options.GeneColumnIfAny = None,
    scale: options.ScaleIfAny = None,
    min_shared: options.MinSharedIfAny = None,
    key_added: options.KeyAdded = "atlash",
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Put CELLS into the clusters of a saved clusterer; CELLS itself is left as it is.

    Cells are read as those that the clusters were found in, where nothing else is told.
    """
    from atlash.clustering import HashClusterer
    from atlash.clustering.wanted import checked_inputs
    from atlash.data.write import check_copy, write_annotated_copy
    from atlash.keys import ClusterKeys
    from atlash.tl.assign import assign_cells, summarise

    check_copy(cells, output)
    check_outside(output)
    check_apart(output, {"clusterer": clusterer})
    fitted = HashClusterer.load(clusterer)
    fitted.config = replace(fitted.config, n_threads=threads, progress=not quiet)
    told: dict[str, Any] = {
        "layer": layer,
        "gene_column": gene_column,
        "scale": None if scale is None else scale.value,
        "min_shared": min_shared,
    }
    given = {name: value for name, value in told.items() if value is not None}
    inputs = replace(checked_inputs(None, fitted.config), **given)
    with warnings_as_notes(assign):
        result = assign_cells(
            cells, fitted, batch_key=batch_key, keys=ClusterKeys(key_added), inputs=inputs
        )
        columns = {str(name): result.obs[name] for name in result.obs}
        write_annotated_copy(cells, output, obs=columns, obsm=result.obsm, uns=result.uns)
    summary = summarise(result.found, fitted.facts_["cluster_stability"])
    summary |= {"output": str(output)}
    if as_json:
        print_json(summary)
    else:
        print_assigned(summary)
