import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from atlash.codes.anchors import make_anchors
from atlash.codes.similarity import similarity
from atlash.errors import TrainingError
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train

ANCHORS = make_anchors(3, 16)[0]
CPU = torch.device("cpu")


def ignore(loss):
    pass


@pytest.fixture(scope="session")
def learn(cells, standardiser, axes, small):
    """Train on the floor's cells, with something else where a test says so."""

    def run(
        config=small, *, cells=cells, validation=None, random_state=0, stop=None, progress=ignore
    ):
        return train(
            cells,
            standardiser,
            axes,
            anchors=ANCHORS,
            config=config,
            validation=validation,
            run=Run(CPU, random_state, stop or threading.Event(), progress),
        )

    return run


def labels_of(learned, cells):
    logged = (cells.counts * (cells.target_sum / cells.library)[:, None]).tocsr()
    logged.data = np.log1p(logged.data).astype(np.float32)
    z = encode(logged, learned.weights, np.ones(logged.shape[1], dtype=bool)).z
    return similarity(z, learned.anchors, "asymmetric").argmax(axis=1)


def same_weights(one, other):
    pairs = zip(one.weights.arrays().values(), other.weights.arrays().values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_learns_to_tell_types_apart(learn, draw_cells):
    fresh = draw_cells(300, seed=9)
    learned = learn()
    assert learned.n_steps == 40
    assert (labels_of(learned, fresh) == fresh.labels).mean() > 0.9


def test_the_loss_falls(learn):
    losses = []
    learn(progress=losses.append)
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_the_same_seed_gives_the_same_weights_bit_for_bit(learn):
    one, same, other = learn(), learn(), learn(random_state=1)
    assert same_weights(one, same)
    assert not same_weights(one, other)


def test_global_seeds_do_not_matter(learn, small):
    config = replace(small, n_steps=3)
    torch.manual_seed(0)
    one = learn(config)
    torch.manual_seed(1)
    assert same_weights(one, learn(config))


@pytest.mark.parametrize("quantisation", ["none", "squared", "cauchy"])
@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_all_forms_of_the_loss_learn(learn, small, quantisation, mixup, draw_cells):
    fresh = draw_cells(200, seed=9)
    learned = learn(replace(small, quantisation=quantisation, mixup=mixup))
    assert (labels_of(learned, fresh) == fresh.labels).mean() > 0.9


def test_either_loss_is_enough(learn, small, draw_cells):
    fresh = draw_cells(200, seed=9)
    for option in ({"anchor_weight": 0.0}, {"similarity_weight": 0.0}):
        learned = learn(replace(small, **option))
        assert (labels_of(learned, fresh) == fresh.labels).mean() > 0.9


def test_predefined_anchors_stay_and_learned_ones_are_signs(learn, small):
    np.testing.assert_array_equal(learn().anchors, ANCHORS)
    learned = learn(replace(small, learned_anchors=True)).anchors
    assert learned.dtype == np.int8
    assert set(np.unique(learned)) == {-1, 1}


def test_single_thread_gives_the_same_weights_whatever_the_caller_had_set():
    # large enough that torch would split the sums over two threads
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4000, generator=generator)
    matrix = torch.randn(4000, 300, generator=generator)
    before, products = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with single_thread():
                assert torch.get_num_threads() == 1
                products.append((x @ matrix).sum())
            assert torch.get_num_threads() == n_threads  # and gives back what it took
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*products)


def test_threads_set_by_the_caller_do_not_change_an_encoder(learn, small):
    config = replace(small, n_hidden=256, n_steps=5, batch_size=128)
    before, learned = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with single_thread():
                learned.append(learn(config))
    finally:
        torch.set_num_threads(before)
    assert same_weights(*learned)


def test_single_thread_gives_threads_back_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with single_thread():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


def test_a_stop_ends_training_and_keeps_an_encoder(learn):
    stop, losses = threading.Event(), []

    def interrupt(loss):
        losses.append(loss)
        if len(losses) == 7:
            stop.set()

    learned = learn(stop=stop, progress=interrupt)
    assert learned.n_steps == len(losses) == 7
    assert all(np.isfinite(array).all() for array in learned.weights.arrays().values())


def test_a_stop_keeps_an_encoder_where_cells_are_held_out(learn, draw_cells):
    stop = threading.Event()
    stop.set()
    learned = learn(stop=stop, validation=draw_cells(50, seed=3))
    assert learned.n_steps == 1


@pytest.mark.parametrize("n_steps", [2, 40])
def test_a_loss_that_is_not_finite_is_an_error(learn, small, n_steps):
    config = replace(small, learning_rate=1e30, component_learning_rate=1e30, n_steps=n_steps)
    with pytest.raises(TrainingError, match=r"loss became .* Check the counts .*learning rate"):
        learn(config)


def test_held_out_cells_do_not_touch_what_is_learned(learn, small, draw_cells):
    config = replace(small, n_steps=2)  # too few for a look before the last step
    assert same_weights(learn(config), learn(config, validation=draw_cells(50, seed=3)))


@pytest.mark.parametrize("loss", ["plain", "focal", "logit_adjusted", "ginf", "clouded"])
def test_all_losses_over_types_learn(learn, small, loss, draw_cells):
    fresh = draw_cells(200, seed=9)
    learned = learn(replace(small, loss=loss))
    assert (labels_of(learned, fresh) == fresh.labels).mean() > 0.9


def test_noise_is_drawn_from_the_seed(learn, small):
    config = replace(small, loss="ginf", n_steps=5)
    assert same_weights(learn(config), learn(config))
    assert not same_weights(learn(config), learn(replace(config, loss="plain")))
