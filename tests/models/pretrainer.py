"""Pre-train as a process that is interrupted, killed, or one of several.

Run as a script by ``test_pretraining.py``: what to do, input, output.
"""

from __future__ import annotations

import sys
import warnings

from atlash.config import PretrainConfig, TransformerConfig
from atlash.models import pretraining
from atlash.models.pretrained import PretrainedEncoder

CONFIG = PretrainConfig(
    device="cpu",
    model=TransformerConfig(n_tokens=24, width=16, n_layers=1, n_heads=2, n_hidden=16),
    n_genes=200,
    n_steps=12,
    batch_size=16,
    block_size=16,
    buffer_size=64,
    checkpoint_steps=4,
    n_threads=2,
    progress=False,
)
ANNOUNCED = 6
"""Step in which a process says so and waits for a line of input, or what else is done to it."""


class Waiting(pretraining.Learner):
    """Waits in a step between two checkpoints."""

    def move(self):
        moved = super().move()
        if self.n_steps == ANNOUNCED:
            sys.stdout.write("learning\n")
            sys.stdout.flush()
            sys.stdin.readline()
        return moved


def main(task, cells, path):
    if task == "wait":
        pretraining.Learner = Waiting
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PretrainedEncoder.pretrain(cells, path, batch_key="batch", config=CONFIG)
    for warning in caught:
        sys.stdout.write(f"{warning.category.__name__}: {warning.message}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
