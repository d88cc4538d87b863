import pytest

from atlash.errors import InputError
from atlash.models.checkpoint import History, Settings


def settings(**changes):
    source = {"name": "a.h5ad", "n_cells": 10, "sum_of_cell_ids": "ab"}
    given = {"options": {"seed": 0, "model": {"width": 8}}, "sources": [source], "domains": []}
    return Settings(**(given | changes))


def test_equal_settings_may_go_on_from_files_of_other_names(tmp_path):
    moved = [{"name": "b.h5ad", "n_cells": 10, "sum_of_cell_ids": "ab"}]
    settings().check_same(settings(sources=moved), tmp_path)


def test_every_difference_is_shown(tmp_path):
    other = settings(
        options={"seed": 1, "model": {"width": 16}},
        sources=[{"name": "a.h5ad", "n_cells": 11, "sum_of_cell_ids": "cd"}],
    )
    with pytest.raises(InputError) as error:
        settings().check_same(other, tmp_path)
    for said in ("seed was 0, now 1", "width was 8, now 16", "input 1 (a.h5ad): n_cells was 10"):
        assert said in str(error.value)


def test_an_option_that_one_side_lacks_is_a_difference(tmp_path):
    with pytest.raises(InputError, match="depth was None, now 3"):
        settings().check_same(
            settings(options={"seed": 0, "model": {"width": 8}, "depth": 3}), tmp_path
        )


def test_losses_are_averaged_between_checkpoints():
    history = History()
    for step, loss in enumerate((4.0, 2.0, 1.0), start=1):
        history.note(step, loss)
        if step == 2:
            history.close(step)
    history.close(3)
    history.close(3)  # nothing new
    assert history.points == [[2, 3.0], [3, 1.0]]
    assert history.recent == pytest.approx(7 / 3)
