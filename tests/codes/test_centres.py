import numpy as np
import pytest

from atlash.codes.centres import CENTRE_MASK, closest_centre, learn_centres
from atlash.codes.pack import unpack
from atlash.codes.planes import make_planes

PATHS = ("vector", "portable")


def make_codes(seed, n, n_bytes=16):
    return np.random.default_rng(seed).integers(0, 256, (n, n_bytes), dtype=np.uint8)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n", [1, 31, 32, 100])
def test_closest_centres_and_ties(path, n):
    codes, centres = make_codes(11, n, 24), np.repeat(make_codes(12, 4, 24), 2, axis=0)
    keys = closest_centre(make_planes(codes), centres, _path=path)
    apart = (unpack(codes)[:, None] != unpack(centres)[None]).sum(axis=2)
    np.testing.assert_array_equal(keys & CENTRE_MASK, apart.argmin(axis=1))
    np.testing.assert_array_equal(keys >> 32, apart.min(axis=1))


def test_centres_are_found_again():
    rng = np.random.default_rng(13)
    centres = rng.integers(0, 256, (4, 16), dtype=np.uint8)
    noise = np.bitwise_and.reduce(rng.integers(0, 256, (4, 2000, 16), dtype=np.uint8))
    codes = centres[rng.integers(0, 4, 2000)] ^ noise
    learned = learn_centres(make_planes(codes), 12, random_state=1)
    apart = (unpack(learned)[:, None] != unpack(centres)[None]).sum(axis=2)
    assert apart.min(axis=0).max() <= 3
    again = learn_centres(make_planes(codes), 12, random_state=1)
    np.testing.assert_array_equal(learned, again)


@pytest.mark.parametrize("path", PATHS)
def test_weights_decide_which_is_closest(path):
    codes, centres = make_codes(14, 90), make_codes(15, 7)
    keys = closest_centre(make_planes(codes), centres, part_weights=(0, 1), _path=path)
    apart = (unpack(codes[:, 8:])[:, None] != unpack(centres[:, 8:])[None]).sum(axis=2)
    np.testing.assert_array_equal(keys & CENTRE_MASK, apart.argmin(axis=1))


def test_alike_codes_have_one_centre():
    codes = np.repeat(make_codes(16, 1), 50, axis=0)
    np.testing.assert_array_equal(learn_centres(make_planes(codes), 9), codes[:1])


@pytest.mark.parametrize(("n", "n_centres"), [(0, 3), (5, 0), (5, -1)])
def test_refuses_to_learn_from_nothing(n, n_centres):
    with pytest.raises(ValueError, match=f"n_centres={n_centres}"):
        learn_centres(make_planes(make_codes(17, n)), n_centres)
