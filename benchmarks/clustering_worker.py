"""One clustering in a process of its own: ``python -m benchmarks.clustering_worker``.

Arguments are ``atlash``, ``scanpy`` or ``scanpy-eigh``, the file, and where to write the answer as
JSON. The last is scanpy with ``svd_solver="covariance_eigh"``: the same components, sooner and in
less memory than by its default, which holds three dense copies of the cells. Before the
clock starts, some random cells are clustered, so that compiled code is there.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.tasks import LABELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WARM_CELLS, WARM_GENES = 400, 200
FROM_BLOCKS, BLOCK = 500_000, 8192
"""Cells from which z-scores are made by blocks: scanpy's own way copies them several times."""
Answer = tuple["NDArray[Any]", dict[str, Any]]


def main() -> None:
    method, path, answer = sys.argv[1:]
    labels, figures = METHODS[method](path)
    truth = ad.read_h5ad(path, backed="r").obs[LABELS].astype(str)
    figures |= {
        "n_clusters": len(np.unique(labels)),
        "ari": float(adjusted_rand_score(truth, labels)),
        "nmi": float(normalized_mutual_info_score(truth, labels)),
    }
    Path(answer).write_text(json.dumps(figures))


def _atlash(path: str) -> Answer:
    """Cluster a file; the steps are all of the seconds."""
    from atlash import ClusterConfig, HashClusterer

    config = ClusterConfig(progress=False)
    HashClusterer(config=config).fit(_random_cells())
    start, spent = perf_counter(), process_time()
    clusterer = HashClusterer(config=config).fit(path)
    seconds = perf_counter() - start
    figures = {
        "seconds": seconds,
        "seconds_in_all": seconds,
        "processor_seconds_in_all": process_time() - spent,
        "steps": clusterer.facts_["seconds"],
    }
    return clusterer.clusters_.labels, figures


def _scanpy(path: str, svd_solver: str | None = None) -> Answer:
    """Cluster a file; the seconds are those of components, neighbours and Leiden."""
    import scanpy as sc

    sc.settings.n_jobs = int(os.environ.get("OMP_NUM_THREADS", "1"))
    _clustered(_scaled(_random_cells()), svd_solver, exact=False)
    start, spent = perf_counter(), process_time()
    many = ad.read_h5ad(path, backed="r").n_obs >= FROM_BLOCKS
    cells = _scaled_by_blocks(path) if many else _scaled(sc.read_h5ad(path))
    ready = perf_counter()
    steps = _clustered(cells, svd_solver, exact=None)
    figures = {
        "seconds": sum(steps.values()),
        "seconds_in_all": perf_counter() - start,
        "processor_seconds_in_all": process_time() - spent,
        "steps": {"reading and scaling": ready - start, **steps},
    }
    return cells.obs["leiden"].to_numpy(dtype=str), figures


def _scaled(cells: ad.AnnData) -> ad.AnnData:
    """Return z-scores of variable genes as scanpy's tutorials make them."""
    import scanpy as sc

    from benchmarks.peers.scanpy_clusters import LARGEST_Z, N_GENES

    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    if cells.n_vars > N_GENES:
        sc.pp.highly_variable_genes(cells, n_top_genes=N_GENES)
        cells = cells[:, cells.var["highly_variable"]].copy()
    sc.pp.scale(cells, max_value=LARGEST_Z)
    return cells


def _scaled_by_blocks(path: str) -> ad.AnnData:
    """Return the same z-scores without ever holding a second dense copy of them.

    For a file that holds no more genes than are wanted.
    """
    import scanpy as sc

    from benchmarks.peers.scanpy_clusters import LARGEST_Z, N_GENES

    stored = ad.read_h5ad(path, backed="r")
    n_cells, n_genes = stored.shape
    if n_genes > N_GENES:
        msg = f"{path} holds {n_genes:,} genes; no more than {N_GENES:,} can be taken as they are."
        raise SystemExit(msg)
    blocks = [slice(start, start + BLOCK) for start in range(0, n_cells, BLOCK)]
    scores = np.empty((n_cells, n_genes), dtype=np.float32)
    total, squares = np.zeros(n_genes), np.zeros(n_genes)
    for block in blocks:
        some = ad.AnnData(sp.csr_matrix(stored.X[block]))
        sc.pp.normalize_total(some, target_sum=1e4)
        sc.pp.log1p(some)
        scores[block] = some.X.toarray()
        total += scores[block].sum(axis=0, dtype=np.float64)
        squares += np.square(scores[block], dtype=np.float64).sum(axis=0)
    mean = total / n_cells
    spread = np.sqrt((squares - n_cells * mean**2) / (n_cells - 1))
    spread[spread == 0] = 1
    for block in blocks:
        centred = (scores[block] - mean) / spread
        scores[block] = np.clip(centred, -LARGEST_Z, LARGEST_Z)
    return ad.AnnData(scores)


def _clustered(
    cells: ad.AnnData, svd_solver: str | None, *, exact: bool | None
) -> dict[str, float]:
    """Cluster z-scores; return the seconds of each step.

    ``exact`` says how neighbours are found; ``None`` leaves it to scanpy's own rule.
    """
    import scanpy as sc

    from benchmarks.peers.scanpy_clusters import (
        FROM_CELLS,
        N_COMPONENTS,
        N_NEIGHBORS,
        _transformer,
    )

    exact = cells.n_obs < FROM_CELLS if exact is None else exact
    transformer = None if exact else _transformer(cells.n_obs, 0)
    times = [perf_counter()]
    sc.pp.pca(cells, n_comps=N_COMPONENTS, svd_solver=svd_solver, random_state=0)
    times.append(perf_counter())
    sc.pp.neighbors(cells, n_neighbors=N_NEIGHBORS, random_state=0, transformer=transformer)
    times.append(perf_counter())
    sc.tl.leiden(cells, flavor="igraph", n_iterations=2, random_state=0)
    times.append(perf_counter())
    taken = [after - before for before, after in pairwise(times)]
    return dict(zip(("components", "neighbours", "Leiden"), taken, strict=True))


def _random_cells() -> ad.AnnData:
    """Return a few cells without structure."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (WARM_CELLS, WARM_GENES)).astype(np.float32)
    return ad.AnnData(sp.csr_matrix(counts))


METHODS: dict[str, Callable[[str], Answer]] = {
    "atlash": _atlash,
    "scanpy": _scanpy,
    "scanpy-eigh": partial(_scanpy, svd_solver="covariance_eigh"),
}

if __name__ == "__main__":
    main()
