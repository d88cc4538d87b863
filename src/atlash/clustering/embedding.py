"""What may be learned on top of the axes: an embedding, hash heads, attention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.graph.buckets import assign, learn_centres
from atlash.graph.neighbours import nearest
from atlash.nn.hash_codes import WordWeights
from atlash.progress import n_threads_or_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.clustering.learned import LearnedEmbedding
    from atlash.clustering.places import Places
    from atlash.clustering.sketch import Sketch
    from atlash.config import ClusterConfig
    from atlash.graph.neighbours import Neighbours
    from atlash.nn.hash_codes import HeadWeights

N_HEADS, N_WORDS = 4, 64
"""Heads of a cell's hash code, and words of each: 6 bits a head."""
N_CROWDS = 256
"""Groups of cells by which those in sparse places get more weight when an embedding is learned."""


def learn_places(
    sketch: Sketch, on_axes: Places, *, config: ClusterConfig, random_state: int
) -> Places:
    """Return what brings cells to where they are clustered: on axes, or further if so wanted.

    Parameters
    ----------
    sketch
        Cells to learn from.
    on_axes
        What brings them onto axes.
    config
        ``learn`` says how.
    random_state
        Seed.
    """
    if config.learn is None:
        return on_axes
    from atlash.clustering.learning import learn_embedding  # torch: imported when wanted
    from atlash.clustering.networks import LearningCells

    first, second = sketch.halves(on_axes, 0)
    counts = sketch.second_half(0)
    places = on_axes.of(sketch.logged)
    cells = LearningCells(
        Z=places,
        Z1=first,
        Z2=second,
        counts=counts,
        library=np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64), 1),
        weight=_weights(places, config.n_threads),
    )
    learned = learn_embedding(cells, config.learn, random_state=random_state, show=config.progress)
    return replace(on_axes, learned=learned)


def after_attention(
    places: NDArray[np.float32],
    found: Neighbours,
    sketch: Sketch,
    *,
    to_places: Places,
    config: ClusterConfig,
    random_state: int,
) -> NDArray[np.float32]:
    """Return the places of cells after they attended to their nearest ``(n, n_axes)``."""
    from atlash.clustering.attend import attend, learn_attention  # torch: when wanted

    weights = None
    if config.attention.form == "transformer":
        first, second = sketch.halves(to_places, 0)
        around = nearest(to_places.of(sketch.logged), n_neighbors=found.rows.shape[1])
        weights = learn_attention(
            first,
            second,
            around.rows,
            config=config.attention,
            random_state=random_state,
            show=config.progress,
        )
    n_threads = n_threads_or_all(config.n_threads)
    return attend(places, found.rows, config.attention, weights=weights, n_threads=n_threads)


def hash_heads(
    places: NDArray[np.float32], learned: LearnedEmbedding | None, config: ClusterConfig
) -> HeadWeights:
    """Return what gives hash codes: learned heads, or else words that k-means finds.

    Parameters
    ----------
    places
        Of the cells to learn from ``(n, n_axes)``; four heads look at them from random
        directions, and take the nearest of 64 words.
    learned
        An embedding, which may have heads.
    config
        Options.
    """
    if learned is not None and learned.heads is not None:
        return learned.heads
    n_axes = places.shape[1]
    width = -(-n_axes // N_HEADS)
    square = np.random.default_rng(0).standard_normal((N_HEADS, n_axes, n_axes))
    directions = np.linalg.qr(square)[0][:, :, :width].astype(np.float32)
    words = np.empty((N_HEADS, N_WORDS, width), dtype=np.float32)
    for head, seen in enumerate(places @ directions):
        centres = learn_centres(seen, N_WORDS, random_state=0, n_threads=config.n_threads)
        words[head] = centres[np.arange(N_WORDS) % len(centres)]
    return WordWeights(np.ascontiguousarray(directions), words)


def _weights(places: NDArray[np.float32], n_threads: int | None) -> NDArray[np.float64]:
    """Return weights that let cells in sparse places count for more ``(n,)``, 1 on average."""
    centres = learn_centres(places, N_CROWDS, random_state=0, n_threads=n_threads)
    crowd = assign(places, centres, n_threads=n_threads)
    weight = 1 / np.sqrt(np.bincount(crowd, minlength=len(centres))[crowd])
    return np.asarray(weight / weight.mean())
