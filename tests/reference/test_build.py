from dataclasses import replace

import numpy as np
import pytest

import atlash
from atlash.config import LossConfig
from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.reference.labels import UnlabelledCellsWarning


@pytest.mark.parametrize("key", ["cell_typ", "nothing"])
def test_columns_are_checked_before_learning(atlas, tiny, key):
    with pytest.raises(KeyNotFoundError, match=key):
        atlash.Reference.build(atlas, key, config=tiny)
    with pytest.raises(KeyNotFoundError, match=key):
        atlash.Reference.build(atlas, "cell_type", key, config=tiny)


def test_one_type_cannot_be_learned(atlas, tiny):
    with pytest.raises(LabelsError, match="at least two"):
        atlash.Reference.build(atlas[atlas.obs["cell_type"] == "T cell"], "cell_type", config=tiny)


def test_a_loss_by_name_in_numbers_and_in_the_options_is_the_same(atlas_counts, tiny):
    types = atlas_counts.obs["cell_type"].to_numpy()
    uneven = atlas_counts[(types != types[0]) | (np.arange(len(types)) % 4 == 0)].copy()

    def built_with(loss, config):
        return atlash.Reference.build(uneven, "cell_type", loss=loss, config=config)

    in_options = replace(tiny, train=replace(tiny.train, loss="logit_adjusted"))
    expected = built_with(None, in_options)
    for loss in ("logit_adjusted", LossConfig(weights="none", prior_strength=1.0)):
        found = built_with(loss, tiny)
        assert found.fingerprint == expected.fingerprint
        assert found.info()["training"]["loss"]["prior_strength"] == 1
    assert built_with("plain", in_options).fingerprint != expected.fingerprint
    with pytest.raises(InputError, match="ginff"):
        built_with("ginff", tiny)


def test_a_device_that_is_not_there_is_an_error(atlas, tiny):
    with pytest.raises(InputError, match="cannot be used here"):
        atlash.Reference.build(atlas, "cell_type", config=replace(tiny, device="cuda:99"))


@pytest.fixture(scope="module")
def built(atlas_counts, tiny):
    """A reference of our own, with its cells in memory: one that was saved reads them anew."""
    return atlash.Reference.build(atlas_counts, "cell_type", "batch", config=tiny)


def test_the_record_says_what_was_done(built, atlas, tiny):
    meta = built.meta
    assert meta["n_cells"] == meta["n_trained_on"] == 360
    assert meta["types"] == {"B cell": 120, "NK cell": 120, "T cell": 120}
    assert meta["training"]["n_steps"] == tiny.train.n_steps
    assert [source["scale"] for source in meta["sources"]] == ["counts"]
    learned = meta["learned"]
    assert 0 < learned["n_steps"] <= tiny.train.n_steps
    assert not learned["interrupted"]
    assert learned["held_out_accuracy"] > 0.9
    assert learned["anchors"]["n_types"] == 3


def test_the_cells_are_encoded_in_order_with_all_their_columns(built, atlas):
    table = built.cells.to_pandas()
    assert list(table["cell_id"]) == list(atlas.obs_names)
    assert list(table["label"]) == list(atlas.obs["cell_type"])
    assert list(table["batch"]) == list(atlas.obs["batch"])
    n_bits = built.annotator.n_bits + built.annotator.n_detail_bits
    assert len(table["code"].iloc[0]) == n_bits // 8


def test_cells_without_a_label_are_no_part_of_the_reference(atlas, tiny):
    atlas.obs["cell_type"] = atlas.obs["cell_type"].astype(object)
    atlas.obs.loc[atlas.obs_names[:30], "cell_type"] = np.nan
    with pytest.warns(match="30 of 360 cells have no label"):
        found = atlash.Reference.build(atlas, "cell_type", config=tiny)
    assert found.meta["n_unlabelled"] == 30
    assert list(found.cells.to_pandas()["cell_id"]) == list(atlas.obs_names[30:])


@pytest.fixture
def unlabelled(fresh_counts):
    """Cells of another file, which has no column of types, and one of its own."""
    cells = fresh_counts.copy()
    cells.obs = cells.obs[["batch"]].assign(depth=1.5)
    cells.obs_names = [f"other-{k}" for k in range(cells.n_obs)]
    return cells


@pytest.mark.parametrize("place", [0, 1])
def test_a_file_without_the_column_of_types_holds_unlabelled_cells(
    atlas_counts, unlabelled, tiny, place
):
    given = [atlas_counts]
    given.insert(place, unlabelled)
    config = replace(tiny, use_unlabelled=True)
    with pytest.warns(UnlabelledCellsWarning, match="no column 'cell_type'; its 360 cells"):
        found = atlash.Reference.build(given, "cell_type", "batch", config=config)
    assert (found.meta["n_unlabelled"], found.meta["n_unlabelled_seen"]) == (360, 360)
    assert list(found.cells.to_pandas()["cell_id"]) == list(atlas_counts.obs_names)
    assert "depth" not in found.cells.column_names


def test_a_file_without_the_column_of_types_is_an_error_otherwise(atlas_counts, unlabelled, tiny):
    with pytest.raises(KeyNotFoundError, match="no column 'cell_type' in obs"):
        atlash.Reference.build([atlas_counts, unlabelled], "cell_type", config=tiny)
    config = replace(tiny, use_unlabelled=True)
    with pytest.raises(KeyNotFoundError, match="no column 'type' in obs"):
        atlash.Reference.build([atlas_counts, unlabelled], "type", config=config)


def test_unlabelled_files_go_with_two_columns_of_labels(atlas_counts, unlabelled, tiny):
    cells = atlas_counts.copy()
    kinds = cells.obs["cell_type"].astype(str)
    cells.obs["parent"] = np.where(kinds == "NK cell", "killer", "lymphocyte")
    config = replace(tiny, use_unlabelled=True)
    keys = ["parent", "cell_type"]
    with pytest.warns(UnlabelledCellsWarning):
        found = atlash.Reference.build([cells, unlabelled], keys, "batch", config=config)
    one, two = cells[::2].copy(), cells[1::2].copy()
    del two.obs["parent"]
    with pytest.raises(KeyNotFoundError, match="no column 'parent'"):
        atlash.Reference.build([one, two], keys, "batch", config=config)
    assert set(found.annotator.parents) == {"killer", "lymphocyte"}


def test_the_same_seed_gives_the_same_reference_on_any_number_of_threads(atlas, tiny, built):
    one, three = (
        atlash.Reference.build(
            atlas, "cell_type", "batch", config=replace(tiny, n_threads=n, chunk_size=size)
        )
        for n, size in ((1, 7), (3, 100))
    )
    assert one.fingerprint == three.fingerprint == built.fingerprint
    assert one.cells.equals(three.cells)
    assert one.cells.equals(built.cells)


def test_another_seed_gives_another_reference(atlas, tiny, built):
    other = atlash.Reference.build(atlas, "cell_type", "batch", config=tiny, random_state=1)
    assert other.fingerprint != built.fingerprint


def test_the_loss_is_written_down_by_name_and_numbers(reference):
    loss = reference.meta["training"]["loss"]
    assert loss["name"] == "tail_adjusted"
    assert (loss["weights"], loss["class_balance"]) == ("both", 0.95)
    assert (loss["prior_strength"], loss["sigma"]) == (1.0, 0.0)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, None])
def test_seeds_are_whole_numbers(atlas, tiny, seed):
    with pytest.raises(InputError, match=r"`random_state` is .*, but must be a whole number"):
        atlash.Reference.build(atlas, "cell_type", config=tiny, random_state=seed)


@pytest.mark.parametrize("labels_key", [None, 7, [], ["a", "b", "c"]], ids=repr)
def test_columns_of_labels_are_one_or_two_names(atlas, tiny, labels_key):
    with pytest.raises(InputError, match=r"`labels_key` is .*; give the column of the types"):
        atlash.Reference.build(atlas, labels_key, config=tiny)


def test_a_seed_of_numpy_is_one_of_python(atlas, tiny, tmp_path):
    built = atlash.Reference.build(atlas, "cell_type", config=tiny, random_state=np.int64(1))
    built.save(tmp_path / "a.atlash")
    expected = atlash.Reference.build(atlas, "cell_type", config=tiny, random_state=1)
    assert atlash.Reference.load(tmp_path / "a.atlash").fingerprint == expected.fingerprint
