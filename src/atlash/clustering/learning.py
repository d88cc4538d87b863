"""The loop that learns an embedding and its hash heads together, from a sketch of the cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from atlash.clustering.learned import LearnedEmbedding
from atlash.clustering.networks import Batch, Networks, objective
from atlash.clustering.steps import check_finite, one_cycle
from atlash.errors import EmptyInputError, InputError, InvalidValuesError
from atlash.nn.hash_heads import export_heads
from atlash.nn.place_weights import PlaceWeights
from atlash.nn.train import single_thread
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy.sparse import csr_array
    from torch import Tensor

    from atlash.clustering.networks import LearningCells
    from atlash.config import LearnConfig
    from atlash.progress import Advance

HEADS_FROM = 0.3
"""Share of the steps after which heads join: words start from an embedding that has settled."""


def learn_embedding(
    sketch: LearningCells, config: LearnConfig, *, random_state: int, show: bool
) -> LearnedEmbedding:
    """Learn an embedding and hash heads from a sketch of the cells.

    On one thread and from generators of its own: the same cells in the same order and the same
    seed give the same bits.

    Parameters
    ----------
    sketch
        Cells to learn from, at least 2.
    config
        Options.
    random_state
        Seed.
    show
        Show progress on standard error.

    Raises
    ------
    InputError
        If the options leave nothing to learn from.
    EmptyInputError
        If there are fewer than two cells, or fewer than two have a weight.
    InvalidValuesError
        If places are not finite, or arrays do not belong together.
    TrainingError
        If the loss is not finite.
    """
    _check(sketch)
    if config.reconstruct == "none" and not config.predict_weight + config.contrast_weight > 0:
        msg = (
            "Heads alone would draw all cells to one place. Set `predict_weight`, "
            "`contrast_weight` or `reconstruct`, for example `LearnConfig(predict_weight=1.0)`."
        )
        raise InputError(msg)
    places = sketch.Z.astype(np.float64)
    mean = places.mean(axis=0)
    scale = float(np.sqrt(np.square(places - mean).mean())) or 1.0
    with single_thread(), track("Learning the embedding", config.n_steps, show=show) as advance:
        networks = _learn(
            sketch, (mean, scale), config, random_state=random_state, advance=advance
        )
    heads = None if networks.heads is None else export_heads(networks.heads)
    return LearnedEmbedding(PlaceWeights.of(networks.encoder, mean, scale), heads)


def _check(sketch: LearningCells) -> None:
    n = int((sketch.weight > 0).sum())
    if n < 2 or sketch.Z.shape[1] == 0:
        msg = (
            f"There are {n} cells of {sketch.Z.shape[1]} components with a weight above 0 to "
            "learn from; at least 2 cells and 1 component are needed. Cluster without learning."
        )
        raise EmptyInputError(msg)
    if not sketch.Z.shape == sketch.Z1.shape == sketch.Z2.shape:
        msg = (
            f"Places have the shape {sketch.Z.shape}, those of the halves {sketch.Z1.shape} and "
            f"{sketch.Z2.shape}; all must be alike."
        )
        raise InvalidValuesError(msg)
    for name, places in (("Z", sketch.Z), ("Z1", sketch.Z1), ("Z2", sketch.Z2)):
        bad = np.flatnonzero(~np.isfinite(places).all(axis=1))
        if len(bad):
            msg = (
                f"{len(bad):,} cells have places that are not finite, first row {bad[0]} of "
                f"{name} ({places[bad[0]][:3]} ...). Check the counts for NaN and infinity."
            )
            raise InvalidValuesError(msg)


def _learn(
    cells: LearningCells, scaling: tuple[NDArray[np.float64], float], config: LearnConfig, *,
    random_state: int, advance: Advance,
) -> Networks:  # fmt: skip
    """Learn the networks; the caller keeps torch on one thread.

    Parameters
    ----------
    cells
        What to learn from.
    scaling
        The encoder reads ``(place - mean) / scale``.
    config
        Options.
    random_state
        Seed of everything.
    advance
        Told of each step.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    networks = Networks(cells, config, random_state=random_state)
    optimiser, schedule = one_cycle(
        networks, config.n_steps, rate=config.learning_rate, decay=config.weight_decay
    )
    heads_from = math.ceil(HEADS_FROM * config.n_steps)
    for step, batch in enumerate(_batches(cells, scaling, config, random_state)):
        if step == heads_from and networks.heads is not None:
            with torch.no_grad():
                networks.heads.start(networks.encoder(_standard(cells.Z, scaling)))
        loss = objective(networks, batch, config, with_heads=step >= heads_from)
        check_finite(loss.item(), step + 1, what="the embedding", rate=config.learning_rate)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        advance()
    return networks


def _batches(
    cells: LearningCells, scaling: tuple[NDArray[np.float64], float], config: LearnConfig,
    random_state: int,
) -> Iterator[Batch]:  # fmt: skip
    """Yield ``n_steps`` batches of shuffled cells."""
    rng = np.random.default_rng(random_state)
    first, second = _standard(cells.Z1, scaling), _standard(cells.Z2, scaling)
    weight = torch.from_numpy(cells.weight.astype(np.float32))
    library = torch.from_numpy(np.maximum(cells.library, 1).astype(np.float32))
    teachers, order = np.flatnonzero(cells.weight > 0), np.empty(0, dtype=np.int64)
    size = min(config.batch_size, len(teachers))
    for _ in range(config.n_steps):
        if len(order) < size:
            order = rng.permutation(teachers)
        drawn, order = order[:size], order[size:]
        rows = torch.from_numpy(drawn)
        counts = None
        if config.reconstruct != "none":
            counts = _of_genes(cells.counts[drawn], config.genes_a_step, rng)
        yield Batch(first[rows], second[rows], counts, library[rows], weight[rows])


def _of_genes(counts: csr_array, most: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return the counts of drawn genes, and these genes."""
    n_genes = counts.shape[1]
    genes = np.sort(rng.choice(n_genes, min(most, n_genes), replace=False))
    chosen = counts.toarray()[:, genes].astype(np.float32)
    return torch.from_numpy(chosen), torch.from_numpy(genes)


def _standard(places: NDArray[np.float32], scaling: tuple[NDArray[np.float64], float]) -> Tensor:
    mean, scale = scaling
    return torch.from_numpy(((places - mean) / scale).astype(np.float32))
