import json

import pytest
from typer import Exit

from atlash.cli.pretrain import _report

TINY = (
    "--steps", 2, "--batch-size", 16, "--width", 16, "--layers", 1, "--heads", 2,
    "--tokens", 32, "--genes", 200, "--threads", 1, "--device", "cpu", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(atlash, files, tmp_path_factory):
    """The outcome of a run, and its folder."""
    path = tmp_path_factory.mktemp("pretrain") / "model"
    cells = files / "atlas.h5ad", files / "query.h5ad"
    return atlash("pretrain", *cells, "--out", path, "--batch-key", "batch", *TINY, "--json"), path


def test_an_encoder_is_learned_from_files_and_told_as_json(model):
    done, path = model
    assert done.code == 0, done.err
    assert done.json["n_cells"] == 720
    assert done.json["learned"]["finished"]
    assert done.json["n_genes"] == 200
    assert done.json == json.loads(done.out)
    assert (path / "manifest.json").is_file()


def test_resuming_shows_what_is_there(atlash, files, model):
    cells = files / "atlas.h5ad", files / "query.h5ad"
    done = atlash("pretrain", *cells, "-o", model[1], "--batch-key", "batch", *TINY, "--resume")
    assert done.code == 0, done.err
    assert "2 of 2, finished" in done.out
    assert "atlas.h5ad" in done.out
    assert "360" in done.out


def test_errors_are_messages(atlash, files, model, tmp_path):
    taken = atlash("pretrain", files / "atlas.h5ad", "-o", model[1], *TINY)
    assert taken.code == 1
    assert "--resume" in taken.told
    other = atlash("pretrain", files / "atlas.h5ad", "-o", model[1], *TINY, "--resume")
    assert other.code == 1
    assert "2 inputs, now 1" in other.told
    (tmp_path / "genes.txt").write_text("GENE1\nGENE1\n")
    vocabulary = "--vocabulary", tmp_path / "genes.txt"
    twice = atlash("pretrain", files / "atlas.h5ad", "-o", tmp_path / "m", *TINY, *vocabulary)
    assert twice.code == 1
    assert "'GENE1' twice" in twice.told
    assert "Traceback" not in taken.err + other.err + twice.err


def test_a_vocabulary_may_have_the_mark_of_windows(atlas_counts, atlash, files, tmp_path):
    names = atlas_counts.var_names[:30]
    (tmp_path / "genes.txt").write_text("\r\n".join(names), encoding="utf-8-sig")
    given = "--vocabulary", tmp_path / "genes.txt", "--json"
    done = atlash("pretrain", files / "atlas.h5ad", "-o", tmp_path / "m", *TINY, *given)
    assert done.code == 0, done.err
    assert done.json["example_gene"] in names
    assert done.json["sources"][0]["n_vocabulary_measured"] == 30


def test_places_of_others_are_left_alone(atlash, files, tmp_path):
    reference = files / "small.atlash"
    before = sorted(reference.iterdir())
    for out in (reference, reference / "inner"):
        done = atlash("pretrain", files / "atlas.h5ad", "-o", out, *TINY)
        assert done.code == 1
        assert "lies within a saved reference" in done.told
    assert sorted(reference.iterdir()) == before
    other = atlash(
        "build", files / "atlas.h5ad", "--labels-key", "cell_type", "--encoder", reference,
        "-o", tmp_path / "r.atlash", "-q",
    )  # fmt: skip
    assert other.code == 1
    assert "holds no pre-trained encoder: the format in 'manifest.json' is" in other.told


def test_a_reference_is_built_from_an_encoder(atlash, files, model, tmp_path):
    """With an encoder of two steps: what counts is that all of it goes together."""
    given = "--labels-key", "cell_type", "--batch-key", "batch", "--encoder", model[1]
    built = atlash(
        "build", files / "atlas.h5ad", "-o", tmp_path / "t.atlash", *given, "-q", "--json"
    )
    assert built.code == 0, built.err
    assert built.json["fine_tuned_from"]["n_steps"] == 2
    done = atlash(
        "annotate",
        files / "query.h5ad",
        "-o",
        tmp_path / "o.h5ad",
        "-r",
        tmp_path / "t.atlash",
        "-q",
    )
    assert done.code == 0, done.err


def test_one_of_several_processes_prints(model, monkeypatch, capsys):
    info = model[0].json
    for rank, printed in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        _report(info, model[1], as_json=True)
        assert bool(capsys.readouterr().out) == printed
    with pytest.raises(Exit):
        _report(info | {"learned": info["learned"] | {"finished": False}}, model[1], as_json=True)
