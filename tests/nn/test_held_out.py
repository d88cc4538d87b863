import numpy as np
import pytest
import torch

from atlash.nn.held_out import MIN_GAIN, Checkpoints, HeldOutCells


def state(value):
    return {"weight": torch.tensor([float(value)])}


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.5, 0.7, 0.9], 3),
        ([0.9, 0.7, 0.9 - MIN_GAIN / 2], 3),
        ([0.5, 0.9, 0.8], 2),
        ([0.9, 0.9, 0.1], 1),
        ([0.0], 1),
    ],
    ids=["last-is-best", "no-clear-gain", "clear-gain", "first-of-the-best", "one"],
)
def test_the_last_is_kept_unless_an_earlier_one_was_clearly_better(scores, kept):
    checkpoints = Checkpoints()
    weights = state(0)
    for step, score in enumerate(scores, start=1):
        weights["weight"].fill_(step)  # as training does: in place
        checkpoints.note(score, step, weights)
    step, found = checkpoints.choose()
    assert step == kept
    assert found["weight"].item() == kept


def test_balanced_accuracy_is_the_mean_recall(draw_cells, standardiser, small):
    cells = draw_cells(90, seed=4)
    held_out = HeldOutCells(cells, standardiser, small)
    anchors = torch.eye(3)

    class Always(torch.nn.Module):
        """Says the first type of every cell."""

        def forward(self, x):
            return torch.tensor([9.0, -9.0, -9.0]).expand(2, len(x), 3)

    n_types = len(np.unique(cells.labels))
    assert held_out.balanced_accuracy(Always(), anchors) == pytest.approx(1 / n_types)
    assert len(held_out.labels) == 90
