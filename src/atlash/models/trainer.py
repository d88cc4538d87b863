"""Several encoders learned side by side, until done or interrupted."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from atlash.models.prepare import training_cells
from atlash.nn.device import resolve_device
from atlash.nn.objective import Goal
from atlash.nn.train import Run, train

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from atlash.models.fine_tuning import FineTuning
    from atlash.models.folds import Fold
    from atlash.models.pretrained import PretrainedEncoder
    from atlash.nn.train import Learned


@dataclass(frozen=True)
class LearnOptions:
    """How learning runs, apart from what is learned.

    Attributes
    ----------
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    random_state
        Seed of everything.
    n_threads
        Encoders learned side by side.
    progress
        Show progress.
    encoder
        A pre-trained encoder to start from; ``None`` learns sparse networks from nothing.
    """

    device: str
    random_state: int
    n_threads: int
    progress: bool
    encoder: PretrainedEncoder | None = None


class Trainer:
    """Learns encoders side by side, each on one thread, until done or interrupted.

    Parameters
    ----------
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``.
    options
        How learning runs.
    advance
        Called after each step.
    parents
        Parent of each type ``(n_types,)``; ``None`` without a hierarchy.
    tuning
        What encoders start from; ``None`` for sparse networks from nothing.

    Attributes
    ----------
    stop
        Set once the user has interrupted.
    """

    def __init__(
        self,
        anchors: NDArray[np.int8],
        options: LearnOptions,
        advance: Callable[[], None],
        *,
        parents: NDArray[np.int64] | None,
        tuning: FineTuning | None,
    ) -> None:
        self.anchors = anchors
        self.parents = parents
        self.options = options
        self.advance = advance
        self.tuning = tuning
        self.device = resolve_device(options.device)
        self.stop = threading.Event()

    def run(self, folds: list[Fold]) -> list[Learned]:
        """Learn one encoder a fold."""
        with ThreadPoolExecutor(self.options.n_threads) as pool:
            futures = [pool.submit(self._learn, fold) for fold in folds]
            self._wait(futures)
            return [future.result() for future in futures]

    def _learn(self, fold: Fold) -> Learned:
        run = Run(
            self.device, self.options.random_state, self.stop, self._advance, start=fold.start
        )
        cells = training_cells(fold.train, fold.frozen)
        if self.tuning is not None:
            goal = Goal(self.anchors, self.parents)
            return self.tuning.learn(cells, fold.frozen, goal=goal, config=fold.config, run=run)
        validation = training_cells(fold.held_out, fold.frozen) if len(fold.held_out) else None
        if fold.draws is not None:
            cells = replace(
                cells,
                counts=cells.counts[fold.draws],
                library=cells.library[fold.draws],
                labels=cells.labels[fold.draws],
            )
        return train(
            cells,
            fold.frozen.standardiser,
            fold.frozen.axes,
            # a second phase keeps the anchors of the first, also where they were learned
            anchors=self.anchors if fold.start is None else fold.start.anchors,
            config=fold.config,
            validation=validation,
            run=run,
            parents=self.parents,
        )

    def _advance(self, loss: float) -> None:
        self.advance()

    def _wait(self, futures: list[Future[Learned]]) -> None:
        """Wait for all; the first interruption ends learning early, a second one aborts."""
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            self.stop.set()
            wait(futures)
        if any(future.done() and future.exception() for future in futures):
            self.stop.set()
