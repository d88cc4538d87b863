from dataclasses import replace

import numpy as np
import pytest
import torch

from atlash.clustering.attend import attend, learn_attention
from atlash.config import AttentionConfig
from atlash.errors import InvalidValuesError, TrainingError
from atlash.graph.neighbours import nearest

KERNEL = AttentionConfig(form="kernel", block_size=50)
LAYER = AttentionConfig(
    form="transformer", n_units=8, n_hidden=16, n_steps=80, batch_size=64, block_size=50
)


@pytest.fixture(scope="module")
def rows(sketch):
    return nearest(sketch.Z, n_neighbors=8, n_threads=1).rows


@pytest.fixture(scope="module")
def weights(sketch, rows):
    return learn_attention(sketch.Z1, sketch.Z2, rows, config=LAYER, random_state=0, show=False)


def within(E, types):
    """Share of the variance that lies within types."""
    means = np.array([E[types == t].mean(axis=0) for t in range(4)])
    return np.square(E - means[types]).sum() / np.square(E - E.mean(axis=0)).sum()


def test_no_attention_changes_nothing(sketch, rows):
    assert attend(sketch.Z, rows, AttentionConfig()) is sketch.Z


def test_kernel_rounds_follow_each_other(sketch, rows):
    once = attend(sketch.Z, rows, KERNEL)
    twice = attend(sketch.Z, rows, replace(KERNEL, n_rounds=2))
    np.testing.assert_array_equal(twice, attend(once, rows, KERNEL))
    assert not np.array_equal(once, twice)


@pytest.mark.parametrize("config", [KERNEL, replace(KERNEL, n_rounds=2), LAYER])
def test_blocks_and_threads_change_nothing(sketch, rows, weights, config):
    whole = attend(sketch.Z, rows, replace(config, block_size=1000), weights=weights)
    for n_threads, size in ((1, 1), (1, 77), (2, 50), (3, 7)):
        cut = replace(config, block_size=size)
        found = attend(sketch.Z, rows, cut, weights=weights, n_threads=n_threads)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("config", [KERNEL, LAYER])
def test_attention_takes_noise_away(sketch, rows, weights, types, config):
    after = attend(sketch.Z, rows, config, weights=weights)
    assert within(after, types) < 0.8 * within(sketch.Z, types)


def test_the_layer_tells_the_other_half_better_than_the_place_does(sketch, rows, weights):
    after = attend(sketch.Z1, rows, LAYER, weights=weights)
    gap, before = np.square(after - sketch.Z2).mean(), np.square(sketch.Z1 - sketch.Z2).mean()
    assert gap < 0.8 * before


def test_the_seed_decides_everything(sketch, rows, weights):
    before = torch.get_num_threads()
    torch.manual_seed(1)
    try:
        torch.set_num_threads(2)
        again = learn_attention(
            sketch.Z1, sketch.Z2, rows, config=LAYER, random_state=0, show=False
        )
    finally:
        torch.set_num_threads(before)
    for name, array in weights.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    other = learn_attention(sketch.Z1, sketch.Z2, rows, config=LAYER, random_state=1, show=False)
    assert not np.array_equal(other.value, weights.value)


def test_the_layer_has_to_be_given(sketch, rows):
    with pytest.raises(InvalidValuesError, match="needs weights"):
        attend(sketch.Z, rows, LAYER)


@pytest.mark.parametrize("bad", [lambda r: r[:-1], lambda r: r.ravel()])
def test_one_row_of_tokens_a_cell_is_needed(sketch, rows, bad):
    with pytest.raises(InvalidValuesError, match="one row of nearest"):
        attend(sketch.Z, bad(rows), KERNEL)


def test_a_token_out_of_range_is_named(sketch, rows):
    spoilt = rows.copy()
    spoilt[9, 2] = 240
    with pytest.raises(InvalidValuesError, match="Row 9 of the nearest cells names cell 240"):
        attend(sketch.Z, spoilt, KERNEL)


@pytest.mark.parametrize("config", [KERNEL, LAYER])
def test_cells_without_tokens_pass(sketch, weights, config):
    nobody = np.empty((240, 0), np.int32)
    after = attend(sketch.Z, nobody, config, weights=weights)
    assert np.isfinite(after).all()
    if config is KERNEL:
        np.testing.assert_array_equal(after, sketch.Z)


def test_a_loss_that_is_not_finite_is_an_error(sketch, rows):
    far = np.full_like(sketch.Z2, 1e30)
    with pytest.raises(TrainingError, match="at step 1"):
        learn_attention(sketch.Z1, far, rows, config=LAYER, random_state=0, show=False)
