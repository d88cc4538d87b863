"""Make the golden reference: ``python tests/golden/make_golden.py FOLDER``.

It writes a reference as this version saves it, with all that one can hold: parents, detail bits, a
registered type, cells added; a query, its answers and its hits. ``test_golden.py`` has every later
version load it and answer alike. Folders stand in ``tests/golden`` and are never made anew:
saved references must always load.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from atlash.config import AnnotateConfig, BuildConfig, SearchConfig, TrainConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate, search

TYPES = ("B cell", "NK cell", "T cell", "Monocyte")
PARENTS = ("B lineage", "NK and T", "NK and T", "Monocyte")
N_KNOWN = 3
"""Types that are learned; the last one is registered."""
N_GENES, N_MARKERS, N_CELLS, N_QUERY = 80, 10, 90, 40
K = 5
TRAIN = TrainConfig(
    n_bits=32, n_detail_bits=64, n_features=60, n_hidden=16, n_hidden_2=8, n_components=6,
    n_component_hidden=8, n_steps=40, n_folds=2,
)  # fmt: skip


def draw(n_cells, rng, types=range(N_KNOWN), prefix="cell"):
    """Return Poisson counts of types with markers of their own, in two batches."""
    kind, batch = rng.choice(list(types), size=n_cells), rng.integers(2, size=n_cells)
    mean = np.full((n_cells, N_GENES), 0.8)
    for row, marked in enumerate(kind):
        mean[row, marked * N_MARKERS : (marked + 1) * N_MARKERS] += 3
    mean[batch == 1, ::5] *= 1.5
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(kind, categories=list(TYPES)),
            "parent": [PARENTS[marked] for marked in kind],
            "batch": pd.Categorical.from_codes(batch, categories=["b1", "b2"]),
        },
        index=[f"{prefix}{row}" for row in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"GENE{gene}" for gene in range(N_GENES)])
    return ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs, var=var)


def main(folder: Path) -> None:
    """Write reference, query, answers and hits into a new folder."""
    rng = np.random.default_rng(0)
    labelled, query = draw(N_CELLS, rng), draw(N_QUERY, rng, range(len(TYPES)), "query")
    labelled.obs["cell_type"] = labelled.obs["cell_type"].cat.remove_unused_categories()
    kept = (np.arange(N_QUERY) > 0).astype(np.float32)
    query.X = query.X.multiply(kept[:, None]).tocsr()  # the first cell has no counts
    config = BuildConfig(train=TRAIN, device="cpu", progress=False)
    reference = Reference.build(labelled, ["parent", "cell_type"], "batch", config=config)
    folder.mkdir()
    reference.save(folder / "tiny.atlash")
    reference.register_type(TYPES[-1], draw(20, rng, [N_KNOWN]))
    reference.add(draw(10, rng, prefix="added"), labels_key="cell_type")
    annotate(query, reference, config=AnnotateConfig(max_lost=0.03, progress=False))
    hits = search(query, reference, k=K, config=SearchConfig(progress=False))
    keys = AnnotationKeys()
    query.obs.drop(columns=["cell_type", "parent", "batch"]).to_csv(folder / "expected.csv")
    hits.to_pandas().to_csv(folder / "hits.csv", index=False)
    for cache in ("ids", "planes"):
        shutil.rmtree(folder / "tiny.atlash" / cache, ignore_errors=True)
    facts = {
        "types": reference.types,
        "n_cells": reference.meta["n_cells"],
        "n_versions": len(reference.versions()),
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
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
    main(Path(sys.argv[1]))
