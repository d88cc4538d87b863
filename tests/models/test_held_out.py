import numpy as np
import pytest

from atlash.codes.anchors import make_anchors
from atlash.codes.similarity import similarity
from atlash.models.held_out import HeldOutFold


@pytest.mark.parametrize("method", ["asymmetric", "hamming"])
def test_cells_are_compared_with_the_anchors_of_their_fold(method):
    anchors = make_anchors(4, 16)[0]
    z = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
    fold = HeldOutFold(z, np.zeros(9, dtype=np.int64), -anchors)
    np.testing.assert_array_equal(fold.similarity(method), similarity(z, -anchors, method))
    np.testing.assert_allclose(fold.similarity(method), -similarity(z, anchors, method))
