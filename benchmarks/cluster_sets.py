"""The cells that clustering is measured on, their types apart, and a cache of what methods say.

A method is given counts and gene names only; the types are for scoring.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from benchmarks.machine import machine
from benchmarks.places import cache_folder, data_root
from benchmarks.tasks import LABELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

REAL = {
    "worm_neuron": "worm_neuron.h5ad",
    "cbmc": "cbmc_cite_top2000.h5ad",
    "pbmc4k": "pbmc4k_top2000.h5ad",
    "paul15": "paul15.h5ad",
    "haber": "haber_intestine_demo.h5ad",
    "pbmc_cross": "pbmc_cross.h5ad",
    "kang": "kang_pbmc_12k_1287g.h5ad",
    "sc_mixology": "sc_mixology_cell_lines.h5ad",
}


@dataclass(frozen=True)
class ClusterSet:
    """Cells to be clustered.

    Parameters
    ----------
    name
        Of the data set.
    counts
        ``(n_cells, n_genes)``, CSR float32.
    genes
        Gene names, ``(n_genes,)``.
    truth
        Type of each cell, ``(n_cells,)``, dtype str.
    """

    name: str
    counts: sp.csr_matrix
    genes: NDArray[np.str_]
    truth: NDArray[np.str_]

    @property
    def cells(self) -> ad.AnnData:
        """The cells as a user would bring them, without types; a copy."""
        obs = pd.DataFrame(index=[f"cell{row}" for row in range(self.counts.shape[0])])
        return ad.AnnData(self.counts.copy(), obs=obs, var=pd.DataFrame(index=self.genes))

    @property
    def fingerprint(self) -> str:
        """Digest of the counts: what a method said of other cells is refused."""
        digest = sha256(self.name.encode())
        for part in (self.counts.data, self.counts.indices, self.counts.indptr):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:16]


def real_set(name: str) -> ClusterSet:
    """Read one of the eight annotated sets."""
    cells = ad.read_h5ad(data_root() / REAL[name])
    return cluster_set(name, cells)


def cluster_set(name: str, cells: ad.AnnData) -> ClusterSet:
    """Take counts and types apart."""
    counts = sp.csr_matrix(cells.X, dtype=np.float32)
    genes = np.asarray(cells.var_names, dtype=str)
    return ClusterSet(name, counts, genes, np.asarray(cells.obs[LABELS], dtype=str))


@dataclass(frozen=True)
class Found:
    """Clusterings of one set by one method.

    Parameters
    ----------
    labels
        Cluster of each cell ``(n_cells,)``, int32, by variant of the method.
    seconds
        Wall-clock time of all of them.
    """

    labels: dict[str, NDArray[np.int32]]
    seconds: float


def cached(method: str, of: ClusterSet, seed: int, compute: Callable[[], Found]) -> Found:
    """Return the stored clusterings of a set, or compute and store them.

    Parameters
    ----------
    method
        Name of the method, with a digest of all that its answer depends on but cells and seed.
    of
        The cells; stored answers count only for the same counts, on the same machine.
    seed
        Seed of the method.
    compute
        What is called where nothing is stored.
    """
    path = cache_folder("clusterings") / method / f"{of.name}_{seed}.npz"
    stamp = json.dumps({"cells": of.fingerprint, "machine": machine()}, sort_keys=True)
    if path.exists():
        stored = _read(path, stamp)
        if stored is not None:
            return stored
    found = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part.npz")
    labels = {f"labels_{variant}": column for variant, column in found.labels.items()}
    np.savez_compressed(scratch, stamp=np.array(stamp), seconds=np.array(found.seconds), **labels)
    scratch.replace(path)
    return found


def digest_of(*parts: object) -> str:
    """Digest of the parts of a method's name, by their ``repr`` or, of a file, by its content."""
    digest = sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else repr(part).encode())
    return digest.hexdigest()[:16]


def _read(path: Path, stamp: str) -> Found | None:
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["stamp"]) != stamp:
            return None
        labels = {
            name.removeprefix("labels_"): stored[name]
            for name in stored.files
            if name.startswith("labels_")
        }
        return Found(labels, float(stored["seconds"]))
