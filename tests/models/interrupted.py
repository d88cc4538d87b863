"""Build a reference that would take very long, and save what an interruption leaves.

Run as a script by ``test_learn.py``: input, output, threads.
"""

from __future__ import annotations

import signal
import sys
import warnings

import atlash
from atlash.models import learn

N_STEPS = 1_000_000


class Announced(learn.Trainer):
    """Says on standard output when 400 steps are done; then an interruption is worth it."""

    n_done = 0

    def _advance(self, loss):
        super()._advance(loss)
        self.n_done += 1
        if self.n_done == 400:
            sys.stdout.write("learning\n")
            sys.stdout.flush()


def main(cells, path, n_threads):
    # what a shell starts in the background ignores it otherwise
    signal.signal(signal.SIGINT, signal.default_int_handler)
    learn.Trainer = Announced
    train = atlash.TrainConfig(
        n_steps=N_STEPS,
        max_epochs=1e9,
        n_features=100,
        n_hidden=16,
        n_hidden_2=8,
        n_components=8,
        n_component_hidden=8,
        batch_size=32,
        learning_rate=0.02,  # of a schedule that has hardly begun
        component_learning_rate=0.02,
    )
    config = atlash.BuildConfig(train=train, n_threads=int(n_threads), progress=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reference = atlash.Reference.build(cells, "cell_type", "batch", config=config)
    reference.save(path)
    for warning in caught:
        sys.stdout.write(f"{warning.category.__name__}: {warning.message}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
