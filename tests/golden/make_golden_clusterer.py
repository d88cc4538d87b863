"""Make the golden clusterer: ``python tests/golden/make_golden_clusterer.py FOLDER``.

It writes a clusterer as this version saves it, new cells, and where they were put.
``test_golden_clusterer.py`` has every later version load it and answer alike. Folders stand in
``tests/golden/clusterer``, one for each format, and are never made anew.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash import HashClusterer
from atlash.config import ClusterConfig

N_TYPES, N_GENES, N_MARKERS, N_CELLS, N_QUERY = 3, 80, 10, 120, 30


def draw(n_cells, rng):
    """Return Poisson counts of three types with markers of their own, in two batches."""
    kind, batch = rng.integers(N_TYPES, size=n_cells), rng.integers(2, size=n_cells)
    mean = np.full((n_cells, N_GENES), 0.8)
    for row, marked in enumerate(kind):
        mean[row, marked * N_MARKERS : (marked + 1) * N_MARKERS] += 4
    mean[batch == 1, ::5] *= 2
    obs = pd.DataFrame(
        {"batch": pd.Categorical.from_codes(batch, categories=["b1", "b2"])},
        index=[f"cell{row}" for row in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"GENE{gene}" for gene in range(N_GENES)])
    return ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs, var=var)


def main(folder: Path) -> None:
    """Write clusterer, new cells and answers into a new folder."""
    rng = np.random.default_rng(0)
    cells, query = draw(N_CELLS, rng), draw(N_QUERY, rng)
    query.X[0] = 0  # the first cell has no counts
    kept = (np.arange(N_QUERY) > 0).astype(np.float32)
    query.X = query.X.multiply(kept[:, None]).tocsr()  # the first cell has no counts
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = ClusterConfig(progress=False, n_genes=60, n_neighbors=10, n_runs=5, even_depth=True)
    clusterer = HashClusterer(config=config).fit(cells, batch_key="batch")
    clusterer.save(folder / "clusterer")
    found = clusterer.predict(query, batch_key="batch")
    np.savez_compressed(
        folder / "query.npz",
        counts=query.X.toarray().astype(np.uint8),
        genes=query.var_names.to_numpy(dtype=str),
        batch=query.obs["batch"].to_numpy(dtype=str),
        labels=found.labels,
        membership=found.membership,
        stability=found.stability,
        bucket=found.bucket,
        embedding=found.embedding,
        codes=found.codes,
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sys.stdout.write(f"{folder}: {size:,} bytes, {clusterer.model_.n_clusters} clusters\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
