import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import atlash
from atlash.codes.anchors import make_anchors
from atlash.config import MiningConfig
from atlash.models import learn as learning
from atlash.models import phases
from atlash.models.calibration import fit_calibration
from atlash.models.held_out import HeldOutFold
from atlash.models.mining import (
    Evidence,
    SeenFold,
    find_evidence,
    mine,
    second_draw,
    second_phase,
)
from atlash.models.prepare import LabelledCounts, freeze, normalised_features, training_cells
from atlash.nn.inference import encode
from atlash.nn.train import Run, single_thread, train
from atlash.reference.labels import RareTypeWarning, UnlabelledCellsWarning

MINING = MiningConfig()


def evidence_of(margin, own_probability=None, own_agreement=None):
    margin = np.asarray(margin, dtype=np.float32)
    n = len(margin)
    right = np.ones(n)
    return Evidence(
        margin,
        np.where(np.isnan(margin), -1, 0),
        np.full(n, 0.9),
        right if own_probability is None else np.asarray(own_probability),
        right if own_agreement is None else np.asarray(own_agreement),
    )


def wrong_looking(labels, suspects):
    """Return evidence by which some cells look mislabelled, and all others are fine."""
    bad = np.zeros(len(labels), dtype=bool)
    bad[suspects] = True
    shares = np.where(bad, 0.0, 0.9)
    return evidence_of(np.where(bad, -1.0, 0.8), shares, shares)


def test_a_common_type_cannot_fill_the_list():
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    margin = np.random.default_rng(0).uniform(-1, 1, 1000)
    margin[labels == 0] -= 1  # all of its cells are harder than all others
    mined = mine(evidence_of(margin), labels, replace(MINING, guard=False, hard_share=0.12))
    assert np.bincount(labels[mined.hard]).tolist() == [40, 40, 10]
    for kind in range(3):
        chosen = margin[mined.hard[labels[mined.hard] == kind]]
        rest = np.setdiff1d(np.flatnonzero(labels == kind), mined.hard)
        assert chosen.max() <= margin[rest].min(initial=np.inf)


def test_what_looks_mislabelled_is_left_out_and_never_hard():
    labels = np.repeat([0, 1], [50, 50])
    mined = mine(wrong_looking(labels, [3, 60, 61]), labels, MINING)
    assert mined.suspicious.tolist() == [3, 60, 61]
    assert not np.intersect1d(mined.hard, mined.suspicious).size
    assert np.array_equal(np.union1d(mined.clean, mined.suspicious), np.arange(100))


@pytest.mark.parametrize(
    ("margin", "own_probability", "own_agreement"),
    [(0.1, 0.0, 0.0), (-0.5, 0.06, 0.0), (-0.5, 0.0, 0.11), (np.nan, 0.0, 0.0)],
)
def test_one_witness_is_not_enough(margin, own_probability, own_agreement):
    labels = np.zeros(10, dtype=np.int64)
    margins, shares, votes = np.full(10, 0.5), np.ones(10), np.ones(10)
    margins[4], shares[4], votes[4] = margin, own_probability, own_agreement
    assert mine(evidence_of(margins, shares, votes), labels, MINING).suspicious.size == 0


@pytest.mark.parametrize("size", [1, 2])
def test_types_of_one_or_two_cells_lose_none(size):
    labels = np.repeat([0, 1], [50, size])
    mined = mine(wrong_looking(labels, np.arange(50, 50 + size)), labels, MINING)
    assert mined.suspicious.size == 0
    assert (labels[mined.hard] == 1).sum() == size


@pytest.mark.parametrize(("size", "kept"), [(3, 2), (10, 5), (11, 6)])
def test_no_type_loses_more_than_half(size, kept):
    labels = np.repeat([0, 1], [50, size])
    mined = mine(wrong_looking(labels, np.arange(50, 50 + size)), labels, MINING)
    assert (labels[mined.clean] == 1).sum() == kept


def test_without_the_guard_nothing_is_left_out():
    labels = np.zeros(20, dtype=np.int64)
    mined = mine(wrong_looking(labels, [0, 1]), labels, replace(MINING, guard=False))
    assert mined.suspicious.size == 0
    assert set(mined.hard[:2]) == {0, 1}


def test_cells_that_were_never_held_out_count_as_hard():
    labels = np.repeat([0, 1], [20, 20])
    margin = np.full(40, -0.5)
    margin[[7, 30]] = np.nan
    mined = mine(evidence_of(margin), labels, replace(MINING, hard_share=0.05))
    assert mined.hard.tolist() == [7, 30]


def test_types_without_cells_do_no_harm():
    labels = np.repeat([0, 3], [10, 10])
    mined = mine(evidence_of(np.linspace(-1, 1, 20)), labels, MINING)
    assert np.bincount(labels[mined.hard], minlength=4).tolist() == [2, 0, 0, 2]


def test_the_second_phase_draws_every_clean_cell_and_hard_ones_more_often():
    labels = np.repeat([0, 1], [50, 50])
    mined = mine(wrong_looking(labels, [3]), labels, replace(MINING, mixed_share=0.25))
    drawn = second_draw(mined, random_state=0)
    counts = np.bincount(drawn, minlength=100)
    assert counts[3] == 0
    assert (counts[mined.clean] >= 1).all()
    n_hard = counts.sum() - len(mined.clean)
    assert n_hard / counts.sum() == pytest.approx(0.25, abs=0.01)
    assert np.ptp(counts[mined.hard]) <= 1
    np.testing.assert_array_equal(drawn, second_draw(mined, random_state=0))


def test_the_second_phase_is_shorter_and_slower(tiny):
    again = second_phase(tiny.train, replace(MINING, steps_share=0.3, rate_factor=0.1))
    assert again.n_steps == 9
    assert again.learning_rate == pytest.approx(0.1 * tiny.train.learning_rate)
    assert again.component_learning_rate == pytest.approx(0.1 * tiny.train.component_learning_rate)
    assert second_phase(tiny.train, replace(MINING, steps_share=0)).n_steps == 0
    assert second_phase(tiny.train, replace(MINING, steps_share=0.01)).n_steps == 1


def seen_fold(cells, train_rows, held_out, config):
    part = cells[train_rows]
    frozen = freeze(part, config)
    anchors = make_anchors(cells.n_types, 64)[0]
    run = Run(torch.device("cpu"), 0, threading.Event(), lambda loss: None)
    learned = train(
        training_cells(part, frozen),
        frozen.standardiser,
        frozen.axes,
        anchors=anchors,
        config=config,
        validation=None,
        run=run,
    )
    return SeenFold(part, held_out, frozen, learned)


@pytest.fixture(scope="module")
def planted(atlas_counts, tiny):
    """Cells of which ten have a wrong label, and one fold of them."""
    kinds = atlas_counts.obs["cell_type"].cat.codes.to_numpy(np.int64)
    held_out = np.arange(0, 360, 2)
    wrong = held_out[::18]
    labels = kinds.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    cells = LabelledCounts(atlas_counts.X.tocsr(), labels, None, 3)
    with single_thread():
        fold = seen_fold(cells, np.arange(1, 360, 2), held_out, tiny.train)
    X = normalised_features(cells[held_out], fold.frozen)
    z = encode(X, fold.learned.weights, np.ones(X.shape[1], dtype=bool)).z
    calibration = fit_calibration([HeldOutFold(z, labels[held_out], fold.learned.anchors)])
    return cells, kinds, wrong, fold, calibration


def test_planted_errors_have_negative_margins_and_look_like_what_they_are(planted):
    cells, kinds, wrong, fold, calibration = planted
    found = find_evidence(cells, [fold], calibration, n_neighbors=15)
    assert (found.margin[wrong] < 0).all()
    np.testing.assert_array_equal(found.looks_like[wrong], kinds[wrong])
    right = np.setdiff1d(fold.held_out, wrong)
    assert (found.margin[right] > 0).mean() > 0.95
    assert (found.own_agreement[right] > 0.5).mean() > 0.95
    assert (found.own_agreement[wrong] < 0.1).all()


def test_cells_of_no_fold_have_no_margin(planted):
    cells, _, _, fold, calibration = planted
    found = find_evidence(cells, [fold], calibration, n_neighbors=15)
    assert np.isnan(found.margin[fold.train.labels.size * 2 - 1])
    np.testing.assert_array_equal(np.isnan(found.margin), np.arange(360) % 2 == 1)
    assert (found.looks_like[1::2] == -1).all()


def test_an_encoder_says_nothing_of_a_type_that_it_has_not_learned(planted, tiny):
    cells, kinds, _, _, calibration = planted
    known = np.flatnonzero(kinds[1::2] < 2) * 2 + 1
    proper = replace(cells, labels=kinds)
    with single_thread():
        fold = seen_fold(proper, known, np.arange(0, 360, 2), tiny.train)
    found = find_evidence(proper, [fold], calibration, n_neighbors=15)
    held_out = np.arange(0, 360, 2)
    np.testing.assert_array_equal(np.isnan(found.margin[held_out]), kinds[held_out] == 2)
    assert found.looks_like.max() == 1
    assert mine(found, kinds, MINING).suspicious.size == 0


def mining_config(tiny, **options):
    return replace(tiny, train=replace(tiny.train, mining=MiningConfig(**options)))


@pytest.fixture(scope="module")
def noisy(atlas_counts):
    """The atlas with ten wrong labels, and their cells' names."""
    adata = atlas_counts.copy()
    wrong = np.arange(0, 360, 36)
    codes = adata.obs["cell_type"].cat.codes.to_numpy().copy()
    codes[wrong] = (codes[wrong] + 1) % 3
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.categories[codes]
    return adata, set(adata.obs_names[wrong])


@pytest.fixture(scope="module")
def mined(noisy, tiny):
    """A reference built with mining from the atlas with wrong labels."""
    return atlash.Reference.build(noisy[0], "cell_type", config=mining_config(tiny))


def test_the_table_lists_planted_errors_first_and_what_they_look_like(mined, noisy, atlas_counts):
    table = mined.mined
    suspicious = table[table["status"] == "suspicious"].set_index("cell_id")
    assert len(noisy[1] & set(suspicious.index)) >= 9
    assert len(set(suspicious.index) - noisy[1]) <= 2
    caught = [name for name in suspicious.index if name in noisy[1]]
    truth = atlas_counts.obs["cell_type"].astype(str)
    assert (suspicious.loc[caught, "looks_like"] == truth[caught]).all()
    assert (table["status"].to_numpy()[: len(suspicious)] == "suspicious").all()
    given = noisy[0].obs["cell_type"].astype(str)
    assert (table["type"].to_numpy() == given[table["cell_id"]].to_numpy()).all()


def test_the_facts_count_what_was_mined(mined):
    told = mined.info()["learned"]["mining"]
    status = mined.mined["status"].value_counts()
    assert told["n_hard"] == status["hard"]
    assert told["n_suspicious"] == status["suspicious"]
    assert told["n_steps"] > 0
    assert mined.meta["training"]["mining"]["guard"] is True


def test_the_table_comes_back_from_disk_and_stays_with_changes(mined, tmp_path):
    replace(mined).save(tmp_path / "m.atlash")
    found = atlash.Reference.load(tmp_path / "m.atlash")
    assert found.mined.equals(mined.mined)
    found.remove("batch = 'b2'")
    assert atlash.Reference.load(tmp_path / "m.atlash").mined.equals(mined.mined)
    assert len(list((tmp_path / "m.atlash").glob("mined.*.parquet"))) == 1


def test_a_damaged_table_is_named(mined, tmp_path):
    replace(mined).save(tmp_path / "m.atlash")
    (table,) = (tmp_path / "m.atlash").glob("mined.*.parquet")
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(atlash.errors.ReferenceFileError, match=table.name):
        atlash.Reference.load(tmp_path / "m.atlash")


def test_without_mining_there_is_no_table(reference, tmp_path):
    assert reference.mined is None
    assert "mining" not in reference.info()["learned"]
    replace(reference).save(tmp_path / "r.atlash")
    assert atlash.Reference.load(tmp_path / "r.atlash").mined is None


def test_mining_is_the_same_every_time_on_any_number_of_threads(noisy, tiny, mined):
    for n_threads in (1, 2):
        config = replace(mining_config(tiny), n_threads=n_threads)
        again = atlash.Reference.build(noisy[0], "cell_type", config=config)
        assert again.fingerprint == mined.fingerprint
        assert again.mined.equals(mined.mined)


def test_without_a_second_phase_cells_are_left_out_all_the_same(noisy, tiny, mined):
    alone = atlash.Reference.build(
        noisy[0], "cell_type", config=mining_config(tiny, steps_share=0)
    )
    assert alone.mined.equals(mined.mined)
    assert alone.info()["learned"]["mining"]["n_steps"] == 0
    believed = atlash.Reference.build(noisy[0], "cell_type", config=tiny)
    prints = {found.fingerprint for found in (alone, mined, believed)}
    assert len(prints) == 3


@pytest.mark.parametrize("place", [0, 1])
def test_what_was_mined_goes_by_name_beside_unlabelled_cells(noisy, fresh_counts, tiny, place):
    cells, wrong = noisy
    few = cells.copy()
    few.obs["cell_type"] = few.obs["cell_type"].astype(object)
    few.obs.loc[few.obs_names[1::5], "cell_type"] = None
    other = fresh_counts.copy()
    other.obs = other.obs[["batch"]]
    other.obs_names = [f"other-{k}" for k in range(other.n_obs)]
    given = [few]
    given.insert(place, other)
    config = replace(mining_config(tiny, steps_share=0), use_unlabelled=True)
    with pytest.warns(UnlabelledCellsWarning, match="no column 'cell_type'; its 360 cells"):
        table = atlash.Reference.build(given, "cell_type", "batch", config=config).mined
    own = few.obs["cell_type"].dropna()
    assert (table["type"].to_numpy() == own[table["cell_id"]].to_numpy()).all()
    suspicious = set(table.loc[table["status"] == "suspicious", "cell_id"])
    assert len(suspicious & wrong) >= 0.8 * len(wrong & set(own.index))


def test_new_cells_are_labelled_right_after_mining(mined, fresh_counts):
    fresh = fresh_counts.copy()
    atlash.tl.annotate(fresh, mined, config=atlash.AnnotateConfig(progress=False))
    right = fresh.obs["atlash_nearest"].astype(str) == fresh.obs["cell_type"].astype(str)
    assert right.mean() > 0.9


@pytest.mark.parametrize(
    "options", [{"learned_anchors": True}, {"loss": "clouded"}, {"loss": "logit_adjusted"}]
)
def test_mining_goes_with_other_options_of_learning(noisy, tiny, options):
    config = mining_config(tiny)
    config = replace(config, train=replace(config.train, **options))
    found = atlash.Reference.build(noisy[0], "cell_type", config=config)
    assert found.info()["learned"]["mining"]["n_steps"] == 9


def test_a_type_of_one_cell_is_kept_and_listed(atlas, tiny):
    alone = np.flatnonzero(atlas.obs["cell_type"] == "T cell")
    few = atlas[np.setdiff1d(np.arange(360), alone[1:])].copy()
    with pytest.warns(RareTypeWarning):
        found = atlash.Reference.build(few, "cell_type", config=mining_config(tiny))
    (row,) = found.mined[found.mined["type"] == "T cell"].itertuples()
    assert row.cell_id == atlas.obs_names[alone[0]]
    assert row.status == "hard"
    assert np.isnan(row.margin)
    assert row.looks_like is None
    assert found.info()["learned"]["mining"]["n_never_held_out"] == 1


@pytest.mark.parametrize("phase", ["inner", "mining", "whole", "second"])
def test_an_interruption_in_any_phase_leaves_a_reference(noisy, tiny, monkeypatch, phase):
    """Ctrl-C as the trainer sees it: the signal to stop, at the first step of a phase."""
    budget = {"inner": 20, "whole": 95, "second": 121}.get(phase)
    done = 0

    class Stopping(learning.Trainer):
        def _advance(self, loss):
            nonlocal done
            super()._advance(loss)
            done += 1
            if done == budget:
                self.stop.set()

    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "Trainer", Stopping)
    if phase == "mining":
        monkeypatch.setattr(phases, "find_evidence", interrupted)
    config = replace(mining_config(tiny), n_threads=1)
    with pytest.warns(learning.InterruptedLearningWarning):
        found = atlash.Reference.build(noisy[0], "cell_type", config=config)
    assert found.info()["learned"]["interrupted"]
    assert (found.mined is None) == (phase in {"inner", "mining"})
    assert found.types == ["B cell", "NK cell", "T cell"]
