import threading
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from atlash.config import TrainConfig, TransformerConfig
from atlash.errors import TrainingError
from atlash.nn.fine_tune import Start, fine_tune
from atlash.nn.gene_transformer import make_transformer, transformer_arrays
from atlash.nn.objective import Goal
from atlash.nn.train import Run, single_thread

SHAPE = TransformerConfig(n_tokens=30, width=16, n_layers=1, n_heads=2, n_hidden=32)
CONFIG = TrainConfig(n_steps=60, batch_size=32, learning_rate=0.005)
ANCHORS = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, 1, -1, -1, 1, 1, -1, -1],
                    [1, -1, 1, -1, 1, -1, 1, -1]], np.int8)  # fmt: skip
GOAL = Goal(ANCHORS)


@pytest.fixture
def tune(cells, standardiser, axes):
    """Fine-tune a random Transformer on the small cells of this floor."""

    def learn(config=CONFIG, *, stop_after=None, gene=None, goal=GOAL):
        gene = np.arange(29, -1, -1) if gene is None else gene
        arrays = transformer_arrays(make_transformer(SHAPE, 50, 2, random_state=0))
        stop, losses = threading.Event(), []

        def progress(loss):
            losses.append(loss)
            if len(losses) == stop_after:
                stop.set()

        run = Run(torch.device("cpu"), 0, stop, progress)
        start = Start.of(SHAPE, arrays, gene.astype(np.int32))
        with single_thread():
            learned = fine_tune(
                start, cells, standardiser, axes=axes, goal=goal, config=config, run=run
            )
        return learned, losses

    return learn


def logged(cells):
    X = cells.counts.astype(np.float32)
    X.data = np.log1p(X.data)
    return X


def test_signs_come_to_agree_with_the_anchors(tune, draw_cells):
    learned, losses = tune()
    assert learned.n_steps == 60
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    fresh = draw_cells(150, seed=7)
    z = learned.weights.encode(logged(fresh), np.ones(30, dtype=bool)).z
    nearest = (np.tanh(z) @ ANCHORS.T.astype(float)).argmax(axis=1)
    assert (nearest == fresh.labels).mean() > 0.85


def test_a_start_holds_the_known_features_alone():
    arrays = transformer_arrays(make_transformer(SHAPE, 50, 0, random_state=0))
    start = Start.of(SHAPE, arrays, np.array([7, -1, 3, 49], np.int32))
    assert start.token.tolist() == [0, -1, 1, 2]
    table = start.arrays["gene.weight"]
    np.testing.assert_array_equal(table, arrays["gene.weight"][[7, 3, 49]])


def test_features_that_are_unknown_have_no_say(tune, draw_cells):
    gene = np.arange(30)
    gene[20:] = -1
    learned, _ = tune(TrainConfig(n_steps=3, batch_size=16), gene=gene)
    X = logged(draw_cells(10, seed=3)).toarray()
    other = X.copy()
    other[:, 20:] = 1.0
    everything = np.ones(30, dtype=bool)
    one, two = (learned.weights.encode(sp.csr_array(x), everything).z for x in (X, other))
    np.testing.assert_array_equal(one, two)


def test_the_same_seed_gives_the_same_encoder(tune):
    config = TrainConfig(n_steps=4, batch_size=16)
    one, two = tune(config)[0].weights, tune(config)[0].weights
    np.testing.assert_array_equal(one.numbers, two.numbers)
    np.testing.assert_array_equal(one.head, two.head)


def test_it_ends_when_asked_to(tune):
    learned, losses = tune(stop_after=3)
    assert learned.n_steps == len(losses) == 3


def test_a_loss_that_is_not_finite_is_an_error(tune):
    with pytest.raises(TrainingError, match="of fine-tuning"):
        tune(TrainConfig(n_steps=30, batch_size=16, learning_rate=1e30))


def test_parents_and_noise_enter_the_loss(tune):
    """As they do where an encoder starts from nothing."""
    _, plain = tune(stop_after=1)
    _, with_parents = tune(stop_after=1, goal=Goal(ANCHORS, np.array([0, 0, 1])))
    _, noisy = tune(replace(CONFIG, loss="ginf"), stop_after=1)
    assert with_parents[0] > plain[0]
    assert noisy[0] != plain[0]
