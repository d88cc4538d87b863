"""``atlash cluster``: find clusters of the cells of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlash.cli import options
from atlash.cli.frames import check_apart, check_outside
from atlash.cli.messages import warnings_as_notes
from atlash.cli.options import AttentionOption, ScaleOption
from atlash.cli.tables import print_clusters, print_json


def cluster(
    cells: Annotated[Path, typer.Argument(help="Cells to cluster (.h5ad or .zarr).")],
    output: Annotated[
        Path, typer.Argument(help="Copy with clusters to write, of the input's format.")
    ],
    *,
    batch_key: options.IntegratedKey = None,
    n_clusters: options.NClusters = None,
    resolution: options.Resolution = None,
    even_depth: options.EvenDepth = True,
    rare_types: options.RareTypes = True,
    genes: options.VariableGenes = 2000,
    neighbors: options.GraphNeighbors = 40,
    buckets: options.MaxBuckets = 2048,
    least_agreement: options.LeastAgreement = 0.9,
    least_distance: options.LeastDistance = 0.3,
    learn: options.Learn = None,
    attention: options.Attention = AttentionOption.none,
    refine_steps: options.RefineSteps = 0,
    save: options.ClustererFolder = None,
    layer: options.Layer = None,
    gene_column: options.GeneColumn = None,
    scale: options.Scale = ScaleOption.auto,
    key_added: options.KeyAdded = "atlash",
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find clusters of CELLS and write a copy with them; CELLS itself is left as it is."""
    from atlash.clustering import HashClusterer
    from atlash.config import AttentionConfig, ClusterConfig, LearnConfig
    from atlash.data.write import write_annotated_copy
    from atlash.keys import ClusterKeys
    from atlash.tl.cluster import cluster_cells, summarise

    _check_places(cells, output, save)
    config = ClusterConfig(
        n_genes=genes,
        n_neighbors=neighbors,
        n_buckets=buckets,
        least_agreement=least_agreement,
        least_distance=least_distance,
        rare_types=rare_types,
        even_depth=even_depth,
        learn=None if learn is None else LearnConfig(heads=learn.value),
        attention=AttentionConfig(form=attention.value),
        refine_steps=refine_steps,
        layer=layer,
        gene_column=gene_column,
        scale=scale.value,
        n_threads=threads,
        progress=not quiet,
    )
    clusterer = HashClusterer(
        n_clusters or "auto", resolution=resolution, random_state=seed, config=config
    )
    with warnings_as_notes(cluster):
        result = cluster_cells(cells, clusterer, batch_key=batch_key, keys=ClusterKeys(key_added))
        columns = {str(name): result.obs[name] for name in result.obs}
        write_annotated_copy(
            cells, output, obs=columns, obsm=result.obsm, uns=result.uns, obsp=result.obsp
        )
        if save is not None:
            clusterer.save(save)
    summary = summarise(clusterer) | {"output": str(output)}
    if as_json:
        print_json(summary)
    else:
        print_clusters(summary)


def _check_places(cells: Path, output: Path, save: Path | None) -> None:
    """Refuse places that cannot be written to, before the work and not after."""
    from atlash.clustering.store import check_place
    from atlash.data.write import check_copy

    check_copy(cells, output)
    check_outside(output)
    if save is not None:
        check_apart(save, {"input": cells, "output": output})
        check_outside(save)
        check_place(save)
