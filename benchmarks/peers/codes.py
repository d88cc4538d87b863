"""What search is compared with: principal components, ITQ codes, and the codes of the seed.

Each peer gives two matrices whose products rank: the greater ``query @ reference.T``, the nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from benchmarks.peers.features import features
from benchmarks.peers.seed import continuous_codes
from benchmarks.places import cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.tasks import Task

ITQ_BITS = (64, 128)
ITQ_ROUNDS = 50


@dataclass(frozen=True)
class Embedded:
    """Test and training cells of a task, ``(n_test, width)`` and ``(n_train, width)``."""

    query: NDArray[np.floating]
    reference: NDArray[np.floating]


def peer_codes(task: Task, *, seed: bool) -> dict[str, Embedded]:
    """Embed a task's cells with every peer; the seed's network takes minutes."""
    seen = features(task)
    n_axes = min(max(ITQ_BITS), *(size - 1 for size in seen.train.shape))
    pca = PCA(n_axes, svd_solver="randomized", random_state=0).fit(seen.train)
    query, reference = pca.transform(seen.test), pca.transform(seen.train)
    peers = {"pcs_cosine": Embedded(unit(seen.test_pcs), unit(seen.train_pcs))}
    for n_bits in ITQ_BITS:
        rotation = itq(reference[:, :n_bits])
        turned = Embedded(query[:, :n_bits] @ rotation, reference[:, :n_bits] @ rotation)
        peers[f"itq_{n_bits}"] = signs(turned)
        peers[f"itq_{n_bits}_asymmetric"] = Embedded(turned.query, signs(turned).reference)
    if seed:
        peers["seed_64"] = signs(_seed_codes(task))
    return peers


def _seed_codes(task: Task) -> Embedded:
    """Train the seed's network, or read what it gave for the same data and split."""
    path = cache_folder("seed_codes") / f"{task.fingerprint}.npz"
    if not path.exists():
        query, reference = continuous_codes(task)
        scratch = path.with_suffix(".part.npz")
        np.savez(scratch, query=query, reference=reference)
        scratch.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return Embedded(stored["query"], stored["reference"])


def itq(components: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rotation that brings components nearest to their signs (Gong et al. 2013)."""
    width = components.shape[1]
    draws = np.random.default_rng(0).standard_normal((width, width))
    rotation = np.linalg.qr(draws)[0]
    for _ in range(ITQ_ROUNDS):
        bits = np.where(components @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(components.T @ bits)
        rotation = left @ right
    return np.asarray(rotation)


def signs(codes: Embedded) -> Embedded:
    """Turn continuous codes into bits -1 and +1, so that products rank by Hamming distance."""
    query, reference = (
        np.where(part > 0, 1, -1).astype(np.float32) for part in (codes.query, codes.reference)
    )
    return Embedded(query, reference)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Bring rows to length one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))
