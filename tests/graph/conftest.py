"""Places that the tests of this room share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def groups():
    """Return places ``(600, 5)`` in 6 groups far apart, and the group of each."""
    rng = np.random.default_rng(0)
    kind = np.arange(600) % 6
    middles = 20 * rng.standard_normal((6, 5))
    return (middles[kind] + rng.standard_normal((600, 5))).astype(np.float32), kind
