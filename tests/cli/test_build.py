"""``atlash build``: the same reference as from Python, saved whole or not at all."""

import anndata as ad
import pandas as pd
import pytest

import atlash as package
from atlash.cli.options import LossOption
from atlash.config import BuildConfig
from atlash.config.rare import LOSS_NAMES
from atlash.reference import Reference


@pytest.fixture(scope="module")
def built(atlash, files, tmp_path_factory):
    """A reference made by the command, with its outcome."""
    place = tmp_path_factory.mktemp("built") / "cli.atlash"
    return place, atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "--batch-key", "batch",
        "-o", place, "--bits", "32", "--seed", "3", "--json", "--quiet",
    )  # fmt: skip


def test_it_is_the_reference_that_python_builds(built, atlas_counts):
    place, outcome = built
    assert outcome.code == 0, outcome.err
    config = BuildConfig(train=package.TrainConfig(n_bits=32), progress=False)
    expected = Reference.build(atlas_counts, "cell_type", "batch", config=config, random_state=3)
    found = Reference.load(place)
    assert found.fingerprint == expected.fingerprint
    assert found.cells.to_table().column("code") == expected.cells.column("code")


def test_json_is_all_that_standard_output_holds(built):
    place, outcome = built
    found = outcome.json
    assert found == Reference.load(place).info()
    assert (found["n_cells"], found["n_bits"], found["random_state"]) == (360, 32, 3)
    assert outcome.err == ""


def test_what_is_there_is_replaced_on_request_alone(atlash, files, tmp_path):
    """Refused at once, before anything is learned."""
    (tmp_path / "r.atlash").mkdir()
    (tmp_path / "r.atlash" / "mine.txt").touch()
    build = ["build", files / "atlas.h5ad", "--labels-key", "cell_type", "--quiet", "-o"]
    for target in (files / "small.atlash", tmp_path / "r.atlash"):
        found = atlash(*build, target)
        assert found.code == 1
        assert "exists" in found.told
    assert [file.name for file in (tmp_path / "r.atlash").iterdir()] == ["mine.txt"]
    Reference.load(files / "small.atlash")


def test_a_labels_column_that_is_missing(atlash, files, tmp_path):
    found = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "celltype", "-o", tmp_path / "r.atlash"
    )
    assert found.code == 1
    assert found.out == ""
    assert found.told.startswith("Error: atlas.h5ad, X: there is no column 'celltype'")
    assert "Did you mean 'cell_type'?" in found.told
    assert not list(tmp_path.iterdir())


def test_an_output_in_no_folder(atlash, files, tmp_path):
    found = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "-o", tmp_path / "no" / "r"
    )
    assert found.code == 1
    assert "make it first" in found.told


def test_a_loss_and_mining_are_asked_for_by_options(atlash, files, tmp_path):
    place = tmp_path / "rare.atlash"
    found = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "-o", place, "--quiet",
        "--bits", "32", "--loss", "ginf", "--mine",
    )  # fmt: skip
    assert found.code == 0, found.err
    reference = Reference.load(place)
    assert reference.meta["training"]["loss"]["name"] == "ginf"
    assert reference.mined is not None
    told = reference.info()["learned"]["mining"]
    assert f"{told['n_hard']} hard cells learned again" in found.out
    assert "look mislabelled" in atlash("info", place).out


def test_cells_that_look_mislabelled_are_left_out_alone(atlash, files, tmp_path):
    place = tmp_path / "guarded.atlash"
    found = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "-o", place, "--quiet",
        "--bits", "32", "--guard",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert "hard cells listed" in found.out
    reference = Reference.load(place)
    assert reference.info()["learned"]["mining"]["n_steps"] == 0
    told = atlash("info", place, "--mined", tmp_path / "look.csv")
    assert "look.csv" in told.out
    written = pd.read_csv(tmp_path / "look.csv")
    assert written["cell_id"].tolist() == reference.mined["cell_id"].tolist()
    assert list(written.columns) == list(reference.mined.columns)


def test_the_command_knows_the_losses_that_python_knows():
    assert [loss.value for loss in LossOption] == list(LOSS_NAMES)


def test_an_unknown_loss_is_a_mistake_in_the_command(atlash, files, tmp_path):
    found = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "-o", tmp_path / "r",
        "--loss", "gauss",
    )  # fmt: skip
    assert found.code == 2
    assert "ginf" in found.err


@pytest.fixture(scope="module")
def two_levels(atlash, atlas_counts, tmp_path_factory):
    """A folder with cells of two levels, a table of parents, and references made of both."""
    place = tmp_path_factory.mktemp("levels")
    cells = atlas_counts.copy()
    cells.obs["lineage"] = cells.obs["cell_type"].map(
        {"B cell": "lymphocyte", "T cell": "lymphocyte", "NK cell": "killer"}
    )
    cells.write_h5ad(place / "atlas.h5ad")
    table = place / "types.tsv"
    table.write_text("sub\tparent\nB cell\tlymphocyte\nT cell\tlymphocyte\nNK cell\tkiller\n")
    build = ["build", place / "atlas.h5ad", "--batch-key", "batch", "--quiet", "-o"]
    by_columns = atlash(
        *build, place / "columns", "--labels-key", "lineage", "--labels-key", "cell_type"
    )
    by_table = atlash(
        *build, place / "table", "--labels-key", "cell_type", "--hierarchy", table, "--json"
    )
    return place, by_columns, by_table


def test_parents_by_columns_or_by_a_table(two_levels):
    place, by_columns, by_table = two_levels
    assert (by_columns.code, by_table.code) == (0, 0), by_columns.err + by_table.err
    found = by_table.json
    assert found["parents"]["T cell"] == "lymphocyte"
    assert found["hierarchy"]["source"] == "types.tsv"
    assert found["fingerprint"] == Reference.load(place / "columns").fingerprint
    assert "Parent" in by_columns.out
    assert "lymphocyte" in by_columns.out


def test_an_annotation_shows_both_levels(atlash, two_levels, files):
    place, *_ = two_levels
    output = place / "labelled.h5ad"
    found = atlash(
        "annotate", files / "query.h5ad", "-r", place / "table", "-o", output, "--quiet"
    )
    assert found.code == 0, found.err
    wanted = ["Parent", "lymphocyte", "T cell", "Parent only:"]
    assert [word for word in wanted if word in found.out] == wanted
    assert found.out.index("Parent") < found.out.index("Label")


def test_a_parent_that_is_not_there(atlash, two_levels):
    place, *_ = two_levels
    found = atlash(
        "build", place / "atlas.h5ad", "--labels-key", "cell_type", "--hierarchy",
        place / "types.tsv", "--parent", "lymphocytes", "-o", place / "no", "--quiet",
    )  # fmt: skip
    assert found.code == 1
    assert "'lymphocytes' is not in the hierarchy" in found.told
    assert "Did you mean 'lymphocyte'?" in found.told


def test_too_many_cells_without_a_label_can_be_accepted(atlash, files, tmp_path):
    cells = ad.read_h5ad(files / "atlas.h5ad")
    cells.obs["kind"] = cells.obs["cell_type"].astype(object).where(cells.obs["batch"] == "b1")
    cells.obs.loc[cells.obs_names[:100], "kind"] = None
    cells.write_h5ad(tmp_path / "cells.h5ad")
    place = tmp_path / "few.atlash"
    command = ("build", tmp_path / "cells.h5ad", "--labels-key", "kind", "-o", place, "--quiet")
    refused = atlash(*command)
    assert refused.code == 1
    assert "choose another column, or raise --max-unlabelled." in refused.told
    done = atlash(*command, "--max-unlabelled", "0.9", "--bits", "32")
    assert done.code == 0, done.err
    assert Reference.load(place).info()["n_unlabelled"] > 180
    assert "left out when built" in atlash("info", place).out


def test_cells_without_a_label_can_be_used(atlash, files, tmp_path):
    cells = ad.read_h5ad(files / "atlas.h5ad")
    cells.obs["kind"] = cells.obs["cell_type"].astype(object)
    cells.obs.loc[cells.obs_names[90:], "kind"] = None
    cells.write_h5ad(tmp_path / "cells.h5ad")
    place = tmp_path / "few.atlash"
    command = ("build", tmp_path / "cells.h5ad", "--labels-key", "kind", "-o", place, "--quiet")
    refused = atlash(*command)
    assert "With --use-unlabelled any share may lack one" in " ".join(refused.told.split())
    done = atlash(*command, "--use-unlabelled", "--bits", "32")
    assert done.code == 0, done.err
    assert "left out" not in done.told
    assert "(270 without a label, 270 of them told which genes vary)" in done.out
