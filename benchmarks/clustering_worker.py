"""One clustering in a process of its own: ``python -m benchmarks.clustering_worker``.

Arguments are ``atlash`` or ``scanpy``, the file, and where to write the answer as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.tasks import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def main() -> None:
    method, path, answer = sys.argv[1:]
    labels, seconds, steps = {"atlash": _atlash, "scanpy": _scanpy}[method](path)
    truth = ad.read_h5ad(path, backed="r").obs[LABELS].astype(str)
    figures = {
        "seconds": seconds,
        "steps": steps,
        "n_clusters": len(np.unique(labels)),
        "ari": adjusted_rand_score(truth, labels),
    }
    Path(answer).write_text(json.dumps(figures))


def _atlash(path: str) -> tuple[NDArray[Any], float, dict[str, float]]:
    from atlash import ClusterConfig, HashClusterer

    start = perf_counter()
    clusterer = HashClusterer(config=ClusterConfig(progress=False)).fit(path)
    seconds = perf_counter() - start
    return clusterer.clusters_.labels, seconds, clusterer.facts_["seconds"]


def _scanpy(path: str) -> tuple[NDArray[Any], float, dict[str, float]]:
    import scanpy as sc

    cells = sc.read_h5ad(path)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    times = [perf_counter()]
    sc.pp.pca(cells, n_comps=50, random_state=0)
    times.append(perf_counter())
    sc.pp.neighbors(cells, n_neighbors=15, random_state=0)
    times.append(perf_counter())
    sc.tl.leiden(cells, flavor="igraph", n_iterations=2, random_state=0)
    times.append(perf_counter())
    steps = dict(zip(("pca", "neighbors", "leiden"), np.diff(times).tolist(), strict=True))
    return cells.obs["leiden"].to_numpy(dtype=str), times[-1] - times[0], steps


if __name__ == "__main__":
    main()
