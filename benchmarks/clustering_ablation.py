"""Each learned part of clustering, added to the default and taken from a whole of all of them.

Eight annotated sets, one setting for all, types for scores alone. *All parts* is an embedding
learned with quantised heads and a decoder of counts, a transformer over the nearest cells, and
refinement by KL divergence. Controls leave parts of the default away, or cluster codes alone:
there words of heads are the nodes of a graph, the weight of two words is the number of cells that
carry both, Leiden divides it at resolution 1, and a cell goes with most of its words.

Seconds are the processor's, of one thread; those of peers are in the benchmark `clustering`.
Rows of earlier runs stay in the file as long as the source of clustering is the same.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from time import process_time
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from atlash.config import AttentionConfig, ClusterConfig, LearnConfig
from benchmarks.cluster_sets import REAL, Found, cached, digest_of, real_set
from benchmarks.clustering import recipe, scanpy_found
from benchmarks.machine import merge_rows, write_result
from benchmarks.peers import scanpy_clusters
from benchmarks.product_clustering import OURS, WORDS, Variant, source, varied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.cluster_sets import ClusterSet

STEPS = 20
"""Of refinement."""
BUCKETS, MANY = 512, 4096
QUANTISED = LearnConfig()
SIGNS = LearnConfig(heads="sign", n_bits=6)
"""Sign bits as many as those of the quantised heads: 24."""
KERNEL = AttentionConfig(form="kernel")
TRANSFORMER = AttentionConfig(form="transformer")
WHOLE = LearnConfig(reconstruct="nb")


def _with(**options: Any) -> Variant:  # noqa: ANN401
    return Variant(ClusterConfig(**options))


DEFAULT = "default: axes alone"
VARIANTS = {
    DEFAULT: Variant(),
    "+ KL refinement": _with(refine_steps=STEPS),
    "+ kernel attention": _with(attention=KERNEL),
    "+ transformer": _with(attention=TRANSFORMER),
    "+ learned embedding, no heads": _with(learn=LearnConfig(heads="none")),
    "+ learned embedding, quantised heads": _with(learn=QUANTISED),
    "+ learned embedding, sign bits": _with(learn=SIGNS),
    "+ quantised heads, contrast": _with(learn=LearnConfig(contrast_weight=1.0)),
    "+ quantised heads, Poisson decoder": _with(learn=LearnConfig(reconstruct="poisson")),
    "+ quantised heads, NB decoder": _with(learn=WHOLE),
    "+ quantised heads, ZINB decoder": _with(learn=LearnConfig(reconstruct="zinb")),
    "all parts": _with(learn=WHOLE, attention=TRANSFORMER, refine_steps=STEPS),
    "all without learning": _with(attention=TRANSFORMER, refine_steps=STEPS),
    "all without attention": _with(learn=WHOLE, refine_steps=STEPS),
    "all without KL": _with(learn=WHOLE, attention=TRANSFORMER),
    "all without reconstruction": _with(
        learn=QUANTISED, attention=TRANSFORMER, refine_steps=STEPS
    ),
    "all with sign bits": _with(
        learn=LearnConfig(heads="sign", n_bits=6, reconstruct="nb"),
        attention=TRANSFORMER,
        refine_steps=STEPS,
    ),
    "all with kernel attention": _with(learn=WHOLE, attention=KERNEL, refine_steps=STEPS),
    "no joining": Variant(resolution=1.0),
    f"{MANY} buckets": _with(n_buckets=MANY),
    f"{BUCKETS} buckets": _with(n_buckets=BUCKETS),
    f"{BUCKETS} buckets, no joining": Variant(ClusterConfig(n_buckets=BUCKETS), 1.0),
}
ON_CODES = {
    "codes alone: k-means words": DEFAULT,
    "codes alone: learned words": "+ learned embedding, quantised heads",
    "codes alone: learned sign bits": "+ learned embedding, sign bits",
}
PEERS = {
    "scanpy": "scanpy at 1",
    "k-means buckets of scanpy's components, Leiden at 1": "k-means buckets at 1",
}
METHODS = (*VARIANTS, *ON_CODES, *PEERS)
NAME = "clustering_ablation"
Row = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks clustering-ablation")
    parser.add_argument("--sets", nargs="+", choices=list(REAL), default=list(REAL))
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, seeds 0, 1, ...")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    options = parser.parse_args(arguments)
    sets = {name: real_set(name) for name in options.sets}
    for method in options.only:
        rows = [
            {"method": method, "set": name, "seed": seed, **_scored(of, seed, method)}
            for name, of in sets.items()
            for seed in range(options.seeds)
        ]
        means = [fmean(row[figure] for row in rows) for figure in ("ari", "nmi")]
        print(f"{method:52} {means[0]:.3f} {means[1]:.3f}", flush=True)
        _keep([row | {"source": source()} for row in rows])


def _keep(rows: list[Row]) -> None:
    """Put rows into the result, among the rows that still hold."""
    keys = ("method", "set", "seed")
    every = merge_rows(NAME, rows, keys=keys, sources={source()})
    every.sort(key=lambda row: (METHODS.index(row["method"]), list(REAL).index(row["set"])))
    write_result(NAME, {"default": DEFAULT, "runs": every})


def _scored(of: ClusterSet, seed: int, method: str) -> Row:
    """Cluster a set by one method, and compare with the types."""
    found = _found(of, seed, method)
    labels = next(iter(found.labels.values()))
    return {
        "ari": float(adjusted_rand_score(of.truth, labels)),
        "nmi": float(normalized_mutual_info_score(of.truth, labels)),
        "n_clusters": len(np.unique(labels)),
        "seconds": found.seconds or None,
    }


def _found(of: ClusterSet, seed: int, method: str) -> Found:
    if method in PEERS:
        peer = scanpy_found(of, seed)
        return Found({method: peer.labels[PEERS[method]]}, 0.0)
    if method in ON_CODES:
        variant = VARIANTS[ON_CODES[method]]
        name = f"codes-{digest_of(source(), variant, recipe())}"
        return cached(name, of, seed, lambda: _on_codes(varied(of, seed, variant), seed))
    return varied(of, seed, VARIANTS[method])


def _on_codes(coded: Found, seed: int) -> Found:
    """Cluster the words of all heads, and cells by what their words say."""
    start = process_time()
    heads = [words for name, words in coded.labels.items() if name.startswith(WORDS)]
    labels = words_leiden(np.column_stack(heads), seed)
    return Found({OURS: labels}, coded.seconds + process_time() - start)


def words_leiden(codes: NDArray[np.int32], seed: int) -> NDArray[np.int32]:
    """Return the cluster of each cell ``(n_cells,)`` from its codes ``(n_cells, n_heads)``."""
    n_cells, n_heads = codes.shape
    _, word = np.unique(codes + codes.max() * np.arange(n_heads) * 2, return_inverse=True)
    rows = np.repeat(np.arange(n_cells), n_heads)
    carries = sp.csr_array((np.ones(codes.size), (rows, word.ravel())))
    together = sp.csr_matrix(carries.T @ carries)
    together.setdiag(0)
    together.eliminate_zeros()
    words = ad.AnnData(np.zeros((together.shape[0], 1), dtype=np.float32))
    words.obsp["connectivities"] = together
    words.uns["neighbors"] = {"connectivities_key": "connectivities", "params": {}}
    cluster = scanpy_clusters.leiden(words, 1.0, seed)
    votes = carries @ np.eye(cluster.max() + 1)[cluster]
    return np.asarray(votes.argmax(axis=1), dtype=np.int32)
