import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.errors import EmptyInputError, InvalidValuesError
from atlash.graph.work import as_places, check_at_least, check_buckets, run_spans, spread


@given(st.integers(0, 50), st.integers(1, 12))
def test_spans_cover_each_place_once(n, n_parts):
    spans = spread(n, n_parts)
    assert [place for first, last in spans for place in range(first, last)] == list(range(n))
    assert len(spans) <= n_parts


@pytest.mark.parametrize("n_threads", [1, 3])
def test_all_spans_are_worked_on(n_threads):
    done = np.zeros(20, dtype=np.int64)

    def work(span):
        done[slice(*span)] += 1

    run_spans(work, spread(20, 7), n_threads)
    assert done.tolist() == [1] * 20


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_span_is_raised(n_threads):
    def work(span):
        if span[0] > 0:
            raise RuntimeError("at " + str(span))

    with pytest.raises(RuntimeError, match="at "):
        run_spans(work, spread(8, 4), n_threads)


def test_places_become_contiguous_floats():
    found = as_places(np.arange(12).reshape(3, 4)[:, ::2])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.tolist() == [[0, 2], [4, 6], [8, 10]]


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (4, 0)])
def test_places_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="`Z` must be cells x axes"):
        as_places(np.zeros(shape))


def test_no_cells_are_refused():
    with pytest.raises(EmptyInputError, match="`centres` holds no cell"):
        as_places(np.zeros((0, 3)), what="centres")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_places_that_are_not_finite_name_the_first_row(bad):
    Z = np.zeros((6, 2))
    Z[4, 1] = Z[5, 0] = bad
    with pytest.raises(InvalidValuesError, match="in 2 of 6 rows, the first in row 4"):
        as_places(Z)


def test_an_option_below_its_least_value_is_refused():
    check_at_least("n_runs", 1, 1)
    with pytest.raises(ValueError, match="`n_runs` must be at least 1; found 0"):
        check_at_least("n_runs", 0, 1)


@pytest.mark.parametrize(
    ("bucket", "wanted"),
    [
        ([0, 1], "3 whole numbers; found shape"),
        ([0.0, 1.0, 2.0], "of float64"),
        ([0, 1, 4], "from 0 to 3; found 0 to 4"),
        ([-1, 0, 0], "found -1 to 0"),
    ],
)
def test_buckets_out_of_range_are_refused(bucket, wanted):
    with pytest.raises(ValueError, match=wanted):
        check_buckets(bucket, 3, 4)
