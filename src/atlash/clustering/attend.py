"""Local attention over cells and their nearest cells: learned from a sketch, applied to all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from atlash.clustering.steps import check_finite, one_cycle
from atlash.data.parallel import ordered_map
from atlash.errors import InvalidValuesError
from atlash.nn.attention import Attention, AttentionLayer, AttentionWeights, kernel_block
from atlash.nn.train import single_thread
from atlash.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from atlash.config import AttentionConfig
    from atlash.nn.tiles import Floats

    Rows = NDArray[np.int32]


def learn_attention(
    Z1: Floats,
    Z2: Floats,
    rows: Rows,
    *,
    config: AttentionConfig,
    random_state: int,
    show: bool,
) -> AttentionWeights:
    """Learn a layer that tells a cell's second half of counts from the first halves around it.

    The noise of the halves is independent, so that only what is common to a neighbourhood helps.
    On one thread and from a generator of its own.

    Parameters
    ----------
    Z1, Z2
        Places of two halves of the counts of a sketch ``(n, d)``, float32.
    rows
        Nearest cells of each cell of the sketch, as row numbers ``(n, k)``; negative ones are
        left out.
    config
        Options.
    random_state
        Seed.
    show
        Show progress on standard error.

    Raises
    ------
    InvalidValuesError
        If a row number is out of range, or shapes do not belong together.
    TrainingError
        If the loss is not finite.
    """
    _check_rows(Z1, rows)
    mean = Z1.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.square(Z1 - mean).mean())) or 1.0
    first, second = (torch.from_numpy(((z - mean) / scale).astype(np.float32)) for z in (Z1, Z2))
    tokens = torch.from_numpy(rows.astype(np.int64))
    generator = torch.Generator().manual_seed(random_state)
    layer = AttentionLayer(
        Z1.shape[1],
        config.n_heads,
        config.n_units,
        n_hidden=config.n_hidden,
        generator=generator,
    )
    optimiser, schedule = one_cycle(
        layer, config.n_steps, rate=config.learning_rate, decay=config.weight_decay
    )
    rng = np.random.default_rng(random_state)
    size = min(config.batch_size, len(Z1))
    with single_thread(), track("Learning attention", config.n_steps, show=show) as advance:
        for step in range(1, config.n_steps + 1):
            drawn = torch.from_numpy(rng.choice(len(Z1), size, replace=False, shuffle=False))
            near = tokens[drawn]
            there = (near >= 0) & (near != drawn[:, None])
            after = layer(first[drawn], first[near.clamp_min(0)], there)
            loss = (after - second[drawn]).square().mean()
            check_finite(loss.item(), step, what="attention", rate=config.learning_rate)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            advance()
    return AttentionWeights.of(layer, mean, scale)


def attend(
    Z: Floats,
    rows: Rows,
    config: AttentionConfig,
    *,
    weights: AttentionWeights | None = None,
    n_threads: int = 1,
) -> Floats:
    """Return the cells after local attention ``(n, d)``, float32.

    Results are the same for any block size and number of threads.

    Parameters
    ----------
    Z
        Places of all cells ``(n, d)``, float32.
    rows
        Nearest cells of each cell, as row numbers ``(n, k)``; negative ones are left out. A cell
        is a token of its own in any case.
    config
        Options; ``form="none"`` returns ``Z``.
    weights
        The learned layer, for ``form="transformer"``.
    n_threads
        Threads.

    Raises
    ------
    InvalidValuesError
        If a row number is out of range, shapes do not belong together, or the layer is missing.
    """
    if config.form == "none":
        return Z
    _check_rows(Z, rows)
    tokens = np.ascontiguousarray(rows, dtype=np.int32)
    places = np.ascontiguousarray(Z, dtype=np.float32)
    if config.form == "kernel":
        for _ in range(config.n_rounds):
            average = partial(_average, places, tokens, config.temperature)
            places = _by_blocks(average, places, config.block_size, n_threads)
        return places
    if weights is None:
        msg = "Attention of the form 'transformer' needs weights; see `learn_attention`."
        raise InvalidValuesError(msg)
    layer = Attention(places, tokens, weights)
    return _by_blocks(layer.block, places, config.block_size, n_threads)


def _average(places: Floats, rows: Rows, temperature: float, start: int, stop: int) -> Floats:
    return kernel_block(places, rows, slice(start, stop), temperature=temperature)


def _by_blocks(
    work: Callable[[int, int], Floats], places: Floats, size: int, n_threads: int
) -> Floats:
    """Return what ``work(start, stop)`` makes of the cells, block by block."""
    out, starts = np.empty_like(places), range(0, len(places), size)
    blocks = ordered_map(
        lambda start: work(start, min(start + size, len(places))), starts, n_threads=n_threads
    )
    for start, block in zip(starts, blocks, strict=True):
        out[start : start + size] = block
    return out


def _check_rows(Z: Floats, rows: Rows) -> None:
    if rows.ndim != 2 or len(rows) != len(Z):
        msg = (
            f"Nearest cells have the shape {rows.shape}, places {Z.shape}: one row of nearest "
            "cells is needed for each cell."
        )
        raise InvalidValuesError(msg)
    if rows.size and rows.max() >= len(Z):
        cell = int(rows.max(axis=1).argmax())
        msg = (
            f"Row {cell} of the nearest cells names cell {rows[cell].max()}, and there are "
            f"{len(Z)}. Give row numbers from 0 to {len(Z) - 1}, negative ones for none."
        )
        raise InvalidValuesError(msg)
