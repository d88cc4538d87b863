import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.nn.tiles import LANES, TILE, padded, paired, tiled, unpaired, untiled


@pytest.mark.parametrize("width", [1, 31, 32, 33, 100])
def test_padding_adds_zeros_and_nothing_else(width):
    array = np.random.default_rng(width).standard_normal((3, width)).astype(np.float32)
    found = padded(array)
    assert found.shape[1] % LANES == 0
    assert found.shape[1] - width < LANES
    np.testing.assert_array_equal(found[:, :width], array)
    assert not found[:, width:].any()


@given(st.integers(0, 1000), st.sampled_from([1, 16, 32, 40]))
def test_pairs_are_near_the_numbers(seed, width):
    rng = np.random.default_rng(seed)
    array = rng.standard_normal((2, 3, width)) * 10.0 ** rng.uniform(-15, 15, (2, 3, width))
    array[0, 0] = 0
    array = array.astype(np.float32)
    words = paired(array)
    assert words.dtype == np.uint32
    assert words.shape == (2, 3, padded(array).shape[-1] // 2)
    np.testing.assert_allclose(unpaired(words)[..., :width], array, rtol=1 / 256, atol=2e-19)


@given(st.integers(0, 1000))
def test_no_pair_is_so_small_that_processors_are_slow(seed):
    rng = np.random.default_rng(seed)
    array = (rng.standard_normal((4, 32)) * (rng.random((4, 32)) < 0.5)).astype(np.float32)
    found = np.abs(unpaired(paired(array)))
    assert ((found == 0) | (found > 1e-19)).all()


@pytest.mark.parametrize("width", [1, 64, 65, 200])
def test_tiles_side_by_side_are_the_matrix(width):
    matrix = np.random.default_rng(0).standard_normal((7, width)).astype(np.float32)
    tiles = tiled(matrix)
    assert tiles.shape[1:] == (7, TILE // 2)
    whole = untiled(tiles)
    np.testing.assert_allclose(whole[:, :width], matrix, rtol=1 / 256)
    assert np.abs(whole[:, width:]).max(initial=0) < 1e-18
