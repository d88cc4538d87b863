"""Cells by which clusters are compared: some of each, whatever their order in the file."""

import numpy as np
import pytest

from atlash.clustering import evidence as module
from atlash.clustering.distinct import shared_variance
from atlash.clustering.evidence import gather
from atlash.clustering.places import places_on


@pytest.fixture
def collect(surveyed, dealt, quiet):
    """Gather from cells of the source in a canonical order."""

    def run(rows, labels, **changes):
        on_axes = places_on(dealt[0].matrix, surveyed.genes)
        return gather(
            surveyed.bound, (rows, labels), on_axes, everyone=dealt[1], config=quiet(**changes)
        )

    return run


LABELS = (np.arange(360) % 3).astype(np.int32)


def test_all_cells_where_clusters_are_small(collect, dealt, surveyed):
    found, labels = collect(dealt[1].rows, LABELS)
    np.testing.assert_array_equal(labels, LABELS)
    on_axes = places_on(dealt[0].matrix, surveyed.genes)
    np.testing.assert_array_equal(found.places, on_axes.of(dealt[1].logged))
    assert len(found.halves) == 5
    for split, pair in enumerate(found.halves):
        expected = dealt[1].halves(on_axes, split)
        np.testing.assert_array_equal(pair, expected)
    assert all(part.dtype == np.float64 for part in (found.places, *found.halves[0]))


def test_labels_follow_their_cells_in_any_order(collect, dealt):
    rows = dealt[1].rows
    expected, labels = collect(rows, LABELS)
    order = np.random.default_rng(0).permutation(360)
    found, moved = collect(rows[order], LABELS[order], chunk_size=50)
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_array_equal(moved, labels)
    assert found.variance == expected.variance > 0


def test_large_clusters_send_some_at_even_distances(collect, dealt, monkeypatch):
    monkeypatch.setattr(module, "MAX_OF_CLUSTER", 10)
    labels = np.where(np.arange(360) < 4, 1, 0).astype(np.int32)
    found, kept = collect(dealt[1].rows, labels)
    assert np.bincount(kept).tolist() == [10, 4]
    everyone, _ = collect(dealt[1].rows[[*range(4), *(4 + np.arange(10) * 356 // 10)]], kept[:14])
    np.testing.assert_array_equal(np.sort(found.places, axis=0), np.sort(everyone.places, axis=0))


def test_what_moves_cells_moves_halves_and_yardstick_too(surveyed, dealt, quiet):
    """By three times the offset of a cell's row, so that odd rows stay and even ones go."""
    on_axes = places_on(dealt[0].matrix, surveyed.genes)
    sketch = dealt[1]

    def move(places, rows):
        return places + 3 * (rows % 2 == 0)[:, None].astype(np.float32)

    found, _ = gather(
        surveyed.bound, (sketch.rows, LABELS), on_axes,
        everyone=sketch, config=quiet(n_splits=2), move=move,
    )  # fmt: skip
    np.testing.assert_array_equal(found.places, move(on_axes.of(sketch.logged), sketch.rows))
    moved = [
        [move(half, sketch.rows).astype(float) for half in sketch.halves(on_axes, split)]
        for split in range(2)
    ]
    np.testing.assert_array_equal(found.halves, moved)
    assert found.variance == pytest.approx(np.mean([shared_variance(*pair) for pair in moved]))


def test_the_yardstick_is_that_of_everyone(collect, dealt):
    every, _ = collect(dealt[1].rows, LABELS)
    few, _ = collect(dealt[1].rows[:20], LABELS[:20])
    assert few.variance == every.variance
    assert len(few.places) == 20
