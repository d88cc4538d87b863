import numpy as np

from atlash.reference.found import Found


def test_parts_of_what_was_found():
    found = Found(
        bounds=np.array([0, 3, 3, 5]),
        rows=np.array([4, 2, 9, 1, 0]),
        distances=np.arange(5, dtype=np.int32),
        scores=np.arange(5, dtype=np.float32),
        method="flat",
        scanned=1.0,
    )
    some = found.only(np.array([True, False, True, False, True]))
    assert (some.bounds.tolist(), some.rows.tolist()) == ([0, 2, 2, 3], [4, 9, 0])
    assert (some.distances.tolist(), some.scores.tolist()) == ([0, 2, 4], [0, 2, 4])
    first = found.first(2)
    assert (first.bounds.tolist(), first.rows.tolist()) == ([0, 2, 2, 4], [4, 2, 1, 0])
    assert found.first(9).rows.tolist() == found.rows.tolist()
