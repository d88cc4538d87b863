"""Speed of exact search over binary codes against other libraries and the machine's own floor.

Codes of 128 bits are simulated (:mod:`benchmarks.simulated_codes`); methods with the same number
of threads search the same ones. Times are medians of several runs after one that is not counted,
and the least one stands beside them. faiss's exact batches are timed from their first run, and
over the larger codes once only. All are given as time that passed and as time of the processor;
ratios are those of the processor, which other work disturbs less, but the gain of two threads
is of time that passed. Recall is the share of places whose distance is the exact one: faiss's, for
our flat scan over the larger codes that of the first 50 queries; for other methods over the larger
codes, and for the other libraries, our flat scan's. The floor is of our own instructions. Lists
and graphs are built on a million cell-like codes only, on two threads; adding excludes training.
Processors on which the scan looks distances up have a result of their own.
Needs faiss-cpu and usearch, and two otherwise idle cores.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from importlib.metadata import version
from itertools import product
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from sklearn.neighbors import NearestNeighbors
from usearch.index import Index, MetricKind
from usearch.index import search as usearch_exact

from atlash.codes import buckets, scan
from atlash.codes._tables import are_faster
from atlash.codes.pack import unpack
from benchmarks.machine import write_result
from benchmarks.places import cache_folder
from benchmarks.popcount_floor import count_everything
from benchmarks.simulated_codes import cell_planes, packed, uniform_file, uniform_planes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SMALL, LARGE, HUGE = 1_000_000, 10_000_000, 100_000_000
N_QUERIES = 1000
N_HUGE_QUERIES = 200
N_LONE = 50
N_SKLEARN = 5
K = (10, 100)
CACHED = 2048
N_BITS = 128
MAKERS = {"uniform": uniform_planes, "cells": cell_planes}
Result = dict[str, Any]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks search-kernel", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--huge", type=int, default=HUGE)
    options = parser.parse_args(arguments)
    faiss.omp_set_num_threads(1)
    result: Result = {
        "n_bits": N_BITS,
        "peer_versions": {name: version(name) for name in ("faiss-cpu", "usearch")},
        "load_average_before": os.getloadavg(),
        "floor": _floor(options.large, options.runs),
    }
    parts: dict[str, Callable[[], Result]] = {
        f"{kind}_{n}": partial(_exact, kind, n, options.runs)
        for kind, n in product(MAKERS, (SMALL, options.large))
    }
    parts["memory_mapped"] = partial(_memory_mapped, options.huge)
    parts["other_methods"] = partial(_others, options.runs)
    for name, measure in parts.items():
        result[name] = measure()
        _compare(result[name], result["floor"])
        print(name, result[name], flush=True)
        result["load_average_after"] = os.getloadavg()
        print(write_result("search_kernel_tables" if are_faster() else "search_kernel", result))


def _times(action: Callable[[], object], runs: int, n_queries: int = 1) -> dict[str, float]:
    """Milliseconds a query of several runs, after one that is not counted."""
    action()
    return _summary([_clock(action) for _ in range(runs)], n_queries)


def _lone(search: Callable[[NDArray[np.uint8]], object], queries: NDArray[np.uint8]) -> Result:
    """Milliseconds of queries that come one by one."""
    search(queries[:1])
    return _summary([_clock(partial(search, queries[i : i + 1])) for i in range(N_LONE)], 1)


def _clock(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and seconds of the processor."""
    start, worked = perf_counter(), process_time()
    action()
    return perf_counter() - start, process_time() - worked


def _summary(clocked: list[tuple[float, float]], n_queries: int) -> dict[str, float]:
    wall, worked = np.array(clocked).T * 1e3 / n_queries
    return {
        "median_ms": float(np.median(wall)),
        "least_ms": float(wall.min()),
        "median_cpu_ms": float(np.median(worked)),
        "least_cpu_ms": float(worked.min()),
    }


def _scaling(search: Callable[..., object], runs: int, n_queries: int) -> Result:
    """One thread and two in turn, so that what else the machine does hits both alike."""
    clocked: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(runs):
        for n_threads, taken in clocked.items():
            taken.append(_clock(partial(search, n_threads=n_threads)))
    one, two = (_summary(taken, n_queries) for taken in clocked.values())
    return {
        "one_thread": one,
        "two_threads": two,
        "speedup_median": one["median_ms"] / two["median_ms"],
        "speedup_least": one["least_ms"] / two["least_ms"],
        "least_wall_over_half_the_cpu": two["least_ms"] / (one["least_cpu_ms"] / 2),
    }


def _floor(n: int, runs: int) -> Result:
    words = np.random.default_rng(0).integers(0, 2**64, (4, 2), dtype=np.uint64)
    small, large = uniform_planes(CACHED, 5), uniform_planes(n, 5)
    repeats = 20_000
    cached = _times(lambda: count_everything(small, words, repeats), runs)
    memory = _times(lambda: count_everything(large, words[:1]), runs)
    n_words = 4 * small.size * repeats
    return {
        "cached_words_per_second": n_words / cached["median_cpu_ms"] * 1e3,
        "memory_bytes_per_second": large.nbytes / memory["median_cpu_ms"] * 1e3,
    }


def _exact(kind: str, n: int, runs: int) -> Result:
    """Exact searches over the same codes, in batch and one query at a time."""
    planes, queries = MAKERS[kind](n, 0), packed(MAKERS[kind](N_QUERIES, 1))
    index = faiss.IndexBinaryFlat(N_BITS)
    index.add(packed(planes))
    runs = runs if n <= SMALL else min(runs, 3)
    result: Result = {"n_codes": n, "n_queries": N_QUERIES}
    truth = {}
    for k in K:
        search = partial(scan.nearest, planes=planes, k=k, n_threads=1)
        theirs = partial(index.search, k=k)
        clocked = [_clock(partial(theirs, queries)) for _ in range(runs if n <= SMALL else 1)]
        truth[k] = theirs(queries)[0] if n <= SMALL else search(queries).distances
        some = slice(None) if n <= SMALL else slice(N_LONE)
        part = result[f"k{k}"] = {
            "flat": _times(partial(search, queries), runs, N_QUERIES),
            "flat_lone": _lone(search, queries),
            "flat_weighted": _times(
                partial(search, queries, part_weights=(65, 1)), runs, N_QUERIES
            ),
            "faiss_flat": _summary(clocked, N_QUERIES),
            "faiss_flat_lone": _lone(theirs, queries),
            "flat_recall": _recall(search(queries[some]).distances, theirs(queries[some])[0]),
        }
        search = partial(scan.nearest, queries, planes, k)
        part["threads"] = _scaling(search, max(runs, 4), N_QUERIES)
    if kind == "cells":
        result["pruned"] = _pruned(planes, queries, truth, runs)
    return result


def _pruned(
    planes: NDArray[np.uint64],
    queries: NDArray[np.uint8],
    truth: dict[int, NDArray[np.int32]],
    runs: int,
) -> Result:
    """Pruned search, and the approximate walk over the same buckets."""
    start = perf_counter()
    made = buckets.make_buckets(planes, n_threads=1)
    result: Result = {
        "build_seconds": perf_counter() - start,
        "n_centres": len(made.centres),
        "expected": made.expected,
    }
    for k, distances in truth.items():
        search = partial(buckets.nearest, buckets=made, k=k, n_threads=1)
        walk = partial(buckets.anchor_walk, buckets=made, k=k, n_threads=1)
        answer = search(queries)
        rows = scan.nearest(queries, planes, k, n_threads=1).rows
        result[f"k{k}"] = {
            "batch": _times(partial(search, queries), runs, N_QUERIES),
            "lone": _lone(search, queries),
            "scanned": float(answer.scanned.mean()),
            "recall": _recall(answer.distances, distances),
            "rows_are_flat": bool((answer.rows == rows).all()),
            "walk_lone": _lone(walk, queries),
            "walk_recall": _recall(walk(queries).distances, distances),
        }
    return result


def _recall(found: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    return float((found == truth).mean())


def _compare(result: Result, floor: Result) -> None:
    """Add the ratios that are asked for, of medians of processor time on one thread."""
    words = result["n_codes"] * N_BITS // 64
    for part in (result[f"k{k}"] for k in K if f"k{k}" in result):
        flat = part["flat"]["median_cpu_ms"]
        part["times_faster_than_faiss"] = part["faiss_flat"]["median_cpu_ms"] / flat
        part["times_the_floor"] = flat / (words / floor["cached_words_per_second"] * 1e3)


def _others(runs: int) -> Result:
    """Peers that build lists or a graph, and brute force of other libraries."""
    planes, queries = cell_planes(SMALL, 0), packed(cell_planes(N_QUERIES, 1))
    codes, k = packed(planes), K[0]
    truth = scan.nearest(queries, planes, k).distances
    brute = NearestNeighbors(n_neighbors=k, metric="hamming", algorithm="brute").fit(unpack(codes))
    asked = unpack(queries[:N_SKLEARN])
    few = queries[:20]
    result: Result = {
        "n_codes": SMALL,
        "k": k,
        "sklearn_brute": _times(lambda: brute.kneighbors(asked), 1, N_SKLEARN),
        "usearch_exact": _times(
            lambda: usearch_exact(codes, few, k, MetricKind.Hamming, exact=True, threads=1),
            runs, len(few),
        ),
    }  # fmt: skip
    inverted = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(N_BITS), N_BITS, 1024)
    inverted.nprobe = 8
    inverted.train(codes[:: SMALL // 65_536])
    for name, index in (
        ("faiss_ivf_1024_nprobe_8", inverted),
        ("faiss_hnsw_16", faiss.IndexBinaryHNSW(N_BITS, 16)),
    ):
        faiss.omp_set_num_threads(2)
        start = perf_counter()
        index.add(codes)
        seconds = perf_counter() - start
        faiss.omp_set_num_threads(1)
        result[name] = {
            "add_seconds": seconds,
            "batch": _times(lambda index=index: index.search(queries, k), runs, N_QUERIES),
            "lone": _lone(lambda query, index=index: index.search(query, k), queries),
            "recall": _recall(index.search(queries, k)[0], truth),
        }
    graph = Index(ndim=N_BITS, metric=MetricKind.Hamming, dtype="b1", expansion_add=64)
    start = perf_counter()
    graph.add(np.arange(len(codes)), codes, threads=2)
    result["usearch_hnsw"] = {
        "add_seconds": perf_counter() - start,
        "batch": _times(lambda: graph.search(queries, k, threads=1), runs, N_QUERIES),
        "recall": _recall(graph.search(queries, k, threads=1).distances.astype(int), truth),
    }
    return result


def _memory_mapped(n: int) -> Result:
    """Search a file that is mapped into memory; after a first run the system caches its pages."""
    planes = uniform_file(cache_folder("search") / f"uniform_{n}.npy", n)
    queries = packed(uniform_planes(N_HUGE_QUERIES, 1))
    search = partial(scan.nearest, queries, planes, K[0])
    return {
        "n_codes": n,
        "n_queries": len(queries),
        "bytes": planes.nbytes,
        "first_run_seconds": _clock(partial(search, n_threads=2))[0],
        "threads": _scaling(search, 2, len(queries)),
    }
