import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import atlash
from atlash.data.genes import GeneTable
from atlash.errors import TrainingError
from atlash.models.learn import learn
from atlash.models.prepare import LabelledCounts
from atlash.models.trainer import LearnOptions

QUIET = atlash.AnnotateConfig(progress=False)


def labelled(adata, batch=True):
    kinds, groups = adata.obs["cell_type"].cat.codes, adata.obs["batch"].cat.codes
    return LabelledCounts(
        adata.X.tocsr(),
        kinds.to_numpy(np.int64),
        groups.to_numpy(np.int64) if batch else None,
        adata.obs["cell_type"].cat.categories.size,
    )


def run(adata, config, *, batch=True, n_threads=2, random_state=0):
    genes = GeneTable(np.asarray(adata.var_names, dtype=object), "symbol")
    options = LearnOptions("cpu", random_state, n_threads, progress=False)
    cells, types = labelled(adata, batch), list(adata.obs["cell_type"].cat.categories)
    return learn(cells, genes, types, config=config.train, options=options)


def accuracy(reference, fresh):
    atlash.tl.annotate(fresh, reference, config=QUIET)
    return (fresh.obs["atlash_nearest"].astype(str) == fresh.obs["cell_type"].astype(str)).mean()


def test_new_cells_are_labelled_right(reference, fresh_counts):
    assert accuracy(reference, fresh_counts.copy()) > 0.95


def test_the_held_out_accuracy_is_near_that_of_new_cells(reference, fresh_counts):
    reported = reference.meta["learned"]["held_out_accuracy"]
    # held-out cells are of a batch that the encoder has not seen: harder than new cells
    assert 0.8 < reported <= accuracy(reference, fresh_counts.copy()) + 0.03


def test_without_batches_cells_are_held_out_one_by_one(atlas, tiny):
    annotator, report = run(atlas, tiny, batch=False)
    assert annotator.types == ["B cell", "NK cell", "T cell"]
    assert report.held_out_accuracy > 0.9


@pytest.mark.parametrize("n_bits", [8, 64])
def test_codes_are_as_long_as_asked(atlas, tiny, n_bits):
    annotator, report = run(atlas, replace(tiny, train=replace(tiny.train, n_bits=n_bits)))
    assert annotator.n_bits == report.anchors.n_bits == n_bits
    assert annotator.anchors.shape == (3, n_bits)


def test_no_more_steps_than_asked(atlas, tiny):
    _, report = run(atlas, replace(tiny, train=replace(tiny.train, n_steps=3)))
    assert 1 <= report.n_steps <= 3
    assert not report.interrupted


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_one_encoder_ends_all(atlas, tiny, n_threads):
    train = replace(tiny.train, learning_rate=1e30, component_learning_rate=1e30, n_steps=10_000)
    with pytest.raises(TrainingError, match="loss became"):
        run(atlas, replace(tiny, train=train), n_threads=n_threads)


def test_a_type_of_one_cell_is_learned_but_not_held_out(atlas, tiny):
    alone = np.flatnonzero(atlas.obs["cell_type"] == "T cell")[1:]
    few = atlas[np.setdiff1d(np.arange(360), alone)].copy()
    # in 30 steps the one cell, which weighs as much as twenty, leaves its mark on the others
    longer = replace(tiny, train=replace(tiny.train, n_steps=100))
    annotator, report = run(few, longer)
    assert len(annotator.types) == 3
    assert report.held_out_accuracy > 0.95


@pytest.mark.parametrize("n_threads", [1, 3])
def test_ctrl_c_ends_learning_and_what_was_learned_is_used(
    atlas, fresh_counts, tmp_path, n_threads
):
    """A child process learns, is sent SIGINT, and saves what it has."""
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    script = Path(__file__).with_name("interrupted.py")
    given = [str(tmp_path / "atlas.h5ad"), str(tmp_path / "cut.atlash"), str(n_threads)]
    with subprocess.Popen(
        [sys.executable, str(script), *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout.readline() == "learning\n", child.stderr.read()
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 0, errors
    assert "interrupted" in output  # and says so
    cut = atlash.Reference.load(tmp_path / "cut.atlash")
    learned = cut.meta["learned"]
    assert learned["interrupted"]
    assert 100 <= learned["n_steps"] < 100_000
    assert learned["held_out_accuracy"] > 0.8
    fresh = fresh_counts.copy()
    assert accuracy(cut, fresh) > 0.9
    assert (fresh.obs["atlash_confidence"] > 0.5).mean() > 0.8
