"""Batches brought together: soft clusters that all batches share, and offsets of each batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.buckets import assign, learn_centres
from atlash.graph.work import as_places, run_spans, spread
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import NDArray



@dataclass(frozen=True)
class BatchConfig:
    n_clusters: int = 50
    cells_a_cluster: int = 30
    sigma: float = 0.1
    theta: float = 2.0
    alpha: float = 0.2
    least_ridge: float = 10.0
    n_rounds: int = 10
    n_steps: int = 10
    n_buckets: int = 4096
    tolerance: float = 0.01
    pooled: bool = True
    start: float = 1.0
    centre: bool = False
    few: float = 50.0
    pfull: float = 1.0


@dataclass(frozen=True)
class Offsets:
    centres: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    sharpness: float

    def apply(self, Z, batches, *, n_threads=None):
        from atlash.clustering._batches import move
        places = as_places(Z); b = np.ascontiguousarray(batches, dtype=np.int32)
        out = np.empty_like(places)
        def work(span):
            a, z = span
            for s in range(a, z, 4096):
                rows = slice(s, min(s + 4096, z))
                points = places[rows].astype(np.float64); moved = points.copy()
                move(points, b[rows], self.centres, self.log_weights, self.offsets, self.sharpness, moved)
                out[rows] = moved
        threads = n_threads_or_all(n_threads)
        run_spans(work, spread(len(places), 8 * threads), threads)
        return out


def _points(places, batches, n_buckets, n_threads):
    if len(places) <= n_buckets:
        return places.astype(np.float64), np.ones(len(places)), batches
    centres = learn_centres(places, n_buckets, random_state=0, n_threads=n_threads)
    bucket = assign(places, centres, n_threads=n_threads)
    n_b = int(batches.max()) + 1
    pair, which = np.unique(bucket.astype(np.int64) * n_b + batches, return_inverse=True)
    weight = np.bincount(which).astype(np.float64)
    sums = np.stack([np.bincount(which, places[:, d], len(pair)) for d in range(places.shape[1])], axis=1)
    return sums / weight[:, None], weight, (pair % n_b).astype(np.int32)


def _unit(x):
    n = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / np.where(n > 0, n, 1)


def correct(Z, batches, config=BatchConfig(), *, n_threads=None):
    from atlash.clustering._batches import add_points, move
    places = as_places(Z); b = np.ascontiguousarray(batches, dtype=np.int32)
    points, weight, of = _points(places, b, config.n_buckets, n_threads)
    B, d = int(b.max()) + 1, places.shape[1]
    K = max(1, min(config.n_clusters, len(places) // config.cells_a_cluster))
    moved = points.copy()
    n_of = np.bincount(of, weight, B)
    if config.centre:
        mm = np.stack([np.bincount(of, weight*points[:, a], B) for a in range(d)], axis=1) / np.maximum(n_of,1)[:, None]
        g0 = (mm - (n_of[:,None]*mm).sum(0)/n_of.sum()) * (n_of/(n_of+50))[:,None]
        moved = points - g0[of]
    centres = _unit(learn_centres(_unit(moved).astype(np.float32), K, random_state=0, n_threads=n_threads).astype(np.float64))
    K = len(centres)
    sharp = 2 / config.sigma
    logw = np.zeros((B, K)); mass = np.empty((B, K)); sums = np.empty((B, K, d)); dirs = np.empty((K, d))
    share_b = np.bincount(of, weight, B) / weight.sum()
    H = []
    for t in range(config.n_rounds):
        sharp = 2 / (config.sigma * max(1.0, config.start * .5**t))
        for s in range(config.n_steps):
            add_points(points, moved, weight, of, centres, logw, sharp, mass, sums, dirs)
            E = share_b[:, None] * mass.sum(0)
            with np.errstate(divide="ignore", invalid="ignore"):
                new = config.theta * np.log((2 * E + 1e-12) / (mass + E + 1e-12))
            logw = .5 * (logw + new)
            centres = _unit(dirs)
        add_points(points, moved, weight, of, centres, logw, sharp, mass, sums, dirs)
        E = share_b[:, None] * mass.sum(0)
        ridge = config.alpha * E + config.least_ridge
        mean = sums / np.maximum(mass, 1e-12)[..., None]
        c = mass * ridge / (mass + ridge)
        anchor = (c[..., None] * mean).sum(0) / np.maximum(c.sum(0), 1e-12)[:, None]
        off = (mass / (mass + ridge))[..., None] * (mean - anchor)
        if config.pooled:
            g = (mass[..., None] * off).sum(1) / (mass**2/(mass+ridge)).sum(1)[:, None]
            off = off + (ridge / (mass + ridge))[..., None] * (g * (share_b*weight.sum()/(share_b*weight.sum()+config.few))[:,None])[:, None, :]
        H.append((centres, logw.copy(), off, sharp))
        before = moved.copy()
        move(points, of, centres[None], logw[None], off[None], np.array([sharp]), moved)
        step = np.sqrt((weight[:, None] * (moved - before) ** 2).sum() / (weight[:, None] * (moved - points) ** 2).sum().clip(1e-30))
        if step < config.tolerance and config.start * .5**t <= 1:
            break
    return Offsets(np.array([h[0] for h in H]), np.array([h[1] for h in H]), np.array([h[2] for h in H]), np.array([h[3] for h in H]))
