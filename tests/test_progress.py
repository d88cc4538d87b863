import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from atlash.progress import n_threads_or_all, track


@pytest.fixture
def terminal(monkeypatch):
    """Have the captured standard error taken for a terminal of some width."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.usefixtures("terminal")
def test_shows_on_standard_error_and_never_on_standard_output(capsys):
    with track("Learning", 3, show=True) as advance:
        for _ in range(3):
            advance()
    shown = capsys.readouterr()
    assert "Learning" in shown.err
    assert "100%" in shown.err
    assert shown.out == ""


@pytest.mark.usefixtures("terminal")
def test_counts_the_steps_it_is_told(capsys):
    with track("Encoding", 200, show=True) as advance:
        advance(40)
        advance(steps=60)
    assert "50%" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_shows_a_note_beside_the_bar(capsys):
    with track("Pre-training", 4, show=True) as advance:
        advance(1, "loss 0.2500")
        advance(2, note="loss 0.1250")
    shown = capsys.readouterr().err
    assert "loss 0.1250" in shown
    assert "75%" in shown


@pytest.mark.usefixtures("terminal")
def test_shows_nothing_when_not_asked(capsys):
    with track("Learning", 3, show=False) as advance:
        advance()
        advance(2)
        advance(steps=3, note="loss 1")
    shown = capsys.readouterr()
    assert shown.err == shown.out == ""


def test_leaves_nothing_in_a_log(capsys):
    with track("Learning", 3, show=True) as advance:
        advance()
    shown = capsys.readouterr()
    assert shown.err == shown.out == ""


@pytest.mark.usefixtures("terminal")
def test_may_be_told_from_any_thread(capsys):
    with track("Learning", 400, show=True) as advance, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: advance(), range(400)))
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("show", [True, False])
def test_errors_pass(show):
    def fail():
        with track("Learning", 3, show=show):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


@pytest.mark.parametrize("asked", [1, 7])
def test_threads_asked_for_are_given(asked):
    assert n_threads_or_all(asked) == asked


def test_all_threads_are_those_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert n_threads_or_all(None) == 3


@pytest.mark.parametrize(("cores", "given"), [(6, 6), (None, 1)])
def test_without_affinity_all_cores_are_taken(monkeypatch, cores, given):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert n_threads_or_all(None) == given
