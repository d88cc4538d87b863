"""Make the golden reference: ``python tests/golden/make_golden.py``.

It writes ``tests/golden/v1``: a reference as this version saves it, a query, and the answers.
``test_golden.py`` has every later version load it and answer alike. Make a new folder, ``v2``,
when the format changes, and keep the old one: saved references must always load.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash.config import AnnotateConfig, BuildConfig, TrainConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

TYPES = ("B cell", "NK cell", "T cell")
N_GENES, N_MARKERS, N_CELLS, N_QUERY = 80, 10, 90, 30
TRAIN = TrainConfig(
    n_bits=32, n_features=60, n_hidden=16, n_hidden_2=8, n_components=6, n_component_hidden=8,
    n_steps=40, n_folds=2,
)  # fmt: skip


def draw(n_cells, rng):
    """Return Poisson counts of three types with markers of their own, in two batches."""
    kind, batch = rng.integers(len(TYPES), size=n_cells), rng.integers(2, size=n_cells)
    mean = np.full((n_cells, N_GENES), 0.8)
    for row, marked in enumerate(kind):
        mean[row, marked * N_MARKERS : (marked + 1) * N_MARKERS] += 3
    mean[batch == 1, ::5] *= 1.5
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(kind, categories=list(TYPES)),
            "batch": pd.Categorical.from_codes(batch, categories=["b1", "b2"]),
        },
        index=[f"cell{row}" for row in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"GENE{gene}" for gene in range(N_GENES)])
    return ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs, var=var)


def main(folder: Path) -> None:
    """Write reference, query and answers into a folder, in place of what it holds."""
    rng = np.random.default_rng(0)
    labelled, query = draw(N_CELLS, rng), draw(N_QUERY, rng)
    kept = (np.arange(N_QUERY) > 0).astype(np.float32)
    query.X = query.X.multiply(kept[:, None]).tocsr()  # the first cell has no counts
    config = BuildConfig(train=TRAIN, device="cpu", progress=False)
    reference = Reference.build(labelled, "cell_type", "batch", config=config)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    reference.save(folder / "tiny.atlash")
    annotate(query, reference, config=AnnotateConfig(max_lost=0.03, progress=False))
    keys = AnnotationKeys()
    query.obs.drop(columns=["cell_type", "batch"]).to_csv(folder / "expected.csv")
    np.savez_compressed(
        folder / "query.npz",
        counts=query.X.toarray().astype(np.uint8),
        genes=query.var_names.to_numpy(dtype=str),
        codes=query.obsm[keys.codes],
        sets=query.obsm[keys.sets],
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sys.stdout.write(f"{folder}: {size:,} bytes\n")


if __name__ == "__main__":
    main(Path(__file__).with_name("v1"))
