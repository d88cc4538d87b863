import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.codes import question
from atlash.codes.planes import empty_planes
from atlash.codes.question import GROUP, ask, default_path, leading, spread


def make(n_queries, n_codes, n_threads=None, part_weights=None):
    queries = np.zeros((n_queries, 16), np.uint8)
    planes = empty_planes(n_codes, 16)
    return ask(queries, planes, part_weights=part_weights, n_threads=n_threads, path=None)


@given(st.integers(0, 500), st.integers(1, 9), st.integers(1, 70))
def test_parts_cover_everything_once(n, n_parts, multiple):
    parts = spread(n, n_parts, multiple)
    assert len(parts) <= n_parts
    assert [place for part in parts for place in range(*part)] == list(range(n))
    assert all(start % multiple == 0 for start, _ in parts)


@given(st.integers(0, 60), st.integers(0, 900), st.integers(1, 4), st.integers(1, 50))
def test_shares_cover_every_pair_of_query_and_row_once(n_queries, n_codes, n_threads, size):
    seen = np.zeros((n_queries, n_codes), np.int64)

    def look(block, span, number):
        assert (block.start % GROUP, span[0] % 64) == (0, 0)
        seen[block, slice(*span)] += 1

    make(n_queries, n_codes, n_threads).share_out(look, size)
    assert (seen == 1).all()


def test_few_queries_share_rows_and_many_share_themselves():
    few, many = make(1, 1000, 2), make(1000, 1000, 2)
    assert (len(few.blocks(1000)), len(few.spans())) == (1, 2)
    assert (len(many.blocks(1000)), len(many.spans())) == (2, 1)


def test_small_questions_get_one_thread_unless_more_are_asked_for():
    assert make(1, 1000).n_threads == 1
    assert make(1, 1000, 3).n_threads == 3
    assert make(1, 1000, 0).n_threads == 1


def test_an_error_of_a_thread_is_raised():
    def fail(_block, _span, number):
        msg = f"part {number}"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="part 0"):
        make(1, 1000, 2).share_out(fail, 1000)


def test_ones_at_the_end_are_not_multiplied_by():
    assert leading((1, 1)) == ()
    assert leading((65, 1)) == (65,)
    assert leading((1, 0)) == (1, 0)
    assert make(1, 5, part_weights=(65, 1)).most == 64 * 66


def test_the_path_follows_the_processor(monkeypatch):
    for name, path in [("x86_64", "vector"), ("arm64", "vector"), ("riscv64", "portable")]:
        monkeypatch.setattr(question, "machine", lambda name=name: name)
        assert default_path() == path
