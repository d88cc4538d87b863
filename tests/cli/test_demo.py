"""``atlash demo``: the main job on real cells, with what it leaves."""

import anndata as ad
import pytest

from atlash.reference import Reference

pytest.importorskip("scanpy", reason="the demo's cells ship inside scanpy")


def test_the_demo_builds_annotates_and_shows(atlash, tmp_path):
    found = atlash("demo", "--out", tmp_path / "demo")
    assert found.code == 0, found.err
    for text in ("Precision", "Accuracy", "macro-F1", "unassigned", "Time:", "CD14+ Monocyte"):
        assert text in found.out
    accuracy = float(found.out.split("Accuracy ")[1].split()[0])
    assert accuracy > 0.75
    names = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert names == ["annotated.h5ad", "confusion.png", "pbmc.atlash"]
    reference = Reference.load(tmp_path / "demo" / "pbmc.atlash")
    cells = ad.read_h5ad(tmp_path / "demo" / "annotated.h5ad")
    assert reference.meta["n_cells"] + cells.n_obs == 700
    assert cells.uns["atlash"]["reference_fingerprint"] == reference.fingerprint
    assert (tmp_path / "demo" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_in_the_place_of_the_folder_is_told_before_the_work(atlash, tmp_path):
    (tmp_path / "demo").write_text("mine")
    found = atlash("demo", "--out", tmp_path / "demo")
    assert (found.code, found.out) == (1, "")
    assert "demo' cannot be made: File exists. Choose another one" in found.told
    assert "Traceback" not in found.err
    assert (tmp_path / "demo").read_text() == "mine"
