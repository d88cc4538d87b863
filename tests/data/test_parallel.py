import threading
import time

import numpy as np
import pytest

from atlash.data.parallel import ordered_map

THREADS = [1, 2, 3, 8]


@pytest.mark.parametrize("n_threads", THREADS)
def test_results_come_in_the_order_of_the_items(n_threads):
    def slow_at_first(item):
        time.sleep(0.02 if item < 3 else 0)
        return item**2

    found = list(ordered_map(slow_at_first, range(20), n_threads=n_threads))
    assert found == [item**2 for item in range(20)]


def test_any_number_of_threads_gives_the_same():
    def work(seed):
        return np.random.default_rng(seed).normal(size=50).cumsum()

    one, three = (np.stack(list(ordered_map(work, range(30), n_threads=n))) for n in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("n_threads", THREADS)
def test_few_items_are_drawn_ahead(n_threads):
    n_drawn = 0

    def items():
        nonlocal n_drawn
        for item in range(40):
            n_drawn += 1
            yield item

    results = ordered_map(lambda item: item, items(), n_threads=n_threads)
    assert n_drawn == 0  # nothing happens before it is asked for
    for n_taken, _ in enumerate(results, start=1):
        assert n_drawn - n_taken <= n_threads


def test_works_in_several_threads_at_a_time():
    both_there = threading.Barrier(2, timeout=20)  # breaks, and raises, if one waits alone
    assert list(ordered_map(lambda item: both_there.wait() >= 0, range(2), n_threads=2)) == [
        True,
        True,
    ]


def test_one_thread_is_the_callers():
    found = list(ordered_map(lambda _: threading.get_ident(), range(3), n_threads=1))
    assert found == [threading.get_ident()] * 3


@pytest.mark.parametrize("n_threads", THREADS)
def test_items_are_drawn_in_the_callers_thread(n_threads):
    drawn_in = []

    def items():
        for item in range(10):
            drawn_in.append(threading.get_ident())
            yield item

    list(ordered_map(lambda item: item, items(), n_threads=n_threads))
    assert set(drawn_in) == {threading.get_ident()}


@pytest.mark.parametrize("n_threads", THREADS)
def test_an_exception_comes_in_its_place(n_threads):
    def work(item):
        return 1 // (item - 5)

    results, taken = ordered_map(work, range(50), n_threads=n_threads), []
    with pytest.raises(ZeroDivisionError):
        taken.extend(results)
    assert taken == [1 // (item - 5) for item in range(5)]


@pytest.mark.parametrize("n_threads", THREADS)
def test_an_exception_ends_the_work(n_threads):
    done = []

    def work(item):
        done.append(item)
        if item == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(ordered_map(work, range(1000), n_threads=n_threads))
    assert len(done) <= 3 + n_threads


@pytest.mark.parametrize("n_threads", THREADS)
def test_an_exception_of_the_items_is_passed_on(n_threads):
    def items():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(ordered_map(abs, items(), n_threads=n_threads))


@pytest.mark.parametrize("n_threads", THREADS)
def test_threads_end_when_the_caller_stops_asking(n_threads):
    before = threading.active_count()
    results = ordered_map(abs, range(1000), n_threads=n_threads)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("n_threads", THREADS)
def test_no_items_no_results(n_threads):
    assert list(ordered_map(abs, [], n_threads=n_threads)) == []
