import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from atlash.config import PretrainConfig, TransformerConfig
from atlash.errors import (
    EmptyInputError,
    FileFormatError,
    GeneMismatchError,
    InputError,
    InvalidValuesError,
    KeyNotFoundError,
    OutputError,
    TrainingError,
)
from atlash.models.model_folder import read_facts
from atlash.models.pretrained import PretrainedEncoder

SCRIPT = Path(__file__).with_name("pretrainer.py")
TINY = PretrainConfig(
    model=TransformerConfig(n_tokens=24, width=16, n_layers=1, n_heads=2, n_hidden=16),
    n_genes=200,
    n_steps=12,
    batch_size=16,
    block_size=16,
    buffer_size=64,
    checkpoint_steps=4,
    device="cpu",
    n_threads=1,
    progress=False,
)
"""The options of the script as well."""


@pytest.fixture(scope="module")
def files(tmp_path_factory, atlas_counts):
    """A file of cells, and the encoder that a run without a break gives."""
    place = tmp_path_factory.mktemp("pretraining")
    atlas_counts.write_h5ad(place / "atlas.h5ad")
    pretrain(place / "atlas.h5ad", place / "whole")
    return place


def pretrain(cells, path, *, config=TINY, batch_key="batch", **options):
    return PretrainedEncoder.pretrain(cells, path, batch_key=batch_key, config=config, **options)


def assert_same_weights(one, other):
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def start(task, cells, path, **environment):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), task, str(cells), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def stopped_by(number, cells, path):
    """Start learning, send a signal in mid-run, and return how it ended and what it said."""
    with start("wait", cells, path) as child:
        try:
            assert child.stdout.readline() == "learning\n", child.stderr.read()
            child.send_signal(number)
            output, errors = child.communicate("go on\n", timeout=60)
        finally:
            child.kill()
    return child.returncode, output, errors


def test_an_encoder_is_learned_and_tells_how(files):
    whole = PretrainedEncoder.load(files / "whole")
    info = whole.info()
    assert info["learned"]["finished"]
    assert info["learned"]["n_steps"] == 12
    steps = [step for step, _ in info["learned"]["losses"]]
    assert steps == [4, 8, 12]
    assert info["domains"] == ["b1", "b2"]
    assert info["n_genes"] == 200
    (source,) = info["sources"]
    assert (source["n_cells"], source["n_genes"], source["n_genes_known"]) == (360, 300, 200)
    assert len(source["unknown_examples"]) == 5
    left = {item.name.split(".")[0] for item in (files / "whole").iterdir()}
    assert left == {"manifest", "weights", "vocabulary"}


def test_the_number_of_threads_changes_no_bit(files, tmp_path):
    two = pretrain(files / "atlas.h5ad", tmp_path / "two", config=replace(TINY, n_threads=2))
    assert_same_weights(two, PretrainedEncoder.load(files / "whole"))


def test_embeddings_of_genes_start_from_what_goes_together(files, tmp_path):
    """One step of almost no length leaves them where they started."""
    still = replace(TINY, n_steps=1, learning_rate=1e-12)
    cells = files / "atlas.h5ad"
    together, noise = (
        pretrain(cells, tmp_path / name, config=replace(still, gene_start=name))
        for name in ("coexpression", "random")
    )
    length = {e: np.sqrt((e.arrays["gene.weight"] ** 2).mean()) for e in (together, noise)}
    assert length[together] > 0.3
    assert length[noise] < 0.03
    assert together.arrays["cls"].tolist() == noise.arrays["cls"].tolist()
    with pytest.raises(InputError, match="gene_start was 'random', now 'coexpression'"):
        pretrain(cells, tmp_path / "random", config=replace(still, n_steps=1), resume=True)


def test_the_seed_decides(files, tmp_path):
    short = replace(TINY, n_steps=2)
    one, other = (
        pretrain(files / "atlas.h5ad", tmp_path / str(k), config=short, random_state=k)
        for k in (0, 1)
    )
    assert one.fingerprint != other.fingerprint


def test_a_killed_run_goes_on_bit_by_bit(files, tmp_path):
    code, _, errors = stopped_by(signal.SIGKILL, files / "atlas.h5ad", tmp_path / "cut")
    assert code == -signal.SIGKILL, errors
    cut = PretrainedEncoder.load(tmp_path / "cut")  # the last checkpoint is an encoder
    assert cut.info()["learned"]["n_steps"] == 4
    resumed = pretrain(files / "atlas.h5ad", tmp_path / "cut", resume=True)
    whole = PretrainedEncoder.load(files / "whole")
    assert_same_weights(resumed, whole)
    assert resumed.facts["learned"] == whole.facts["learned"]


def test_ctrl_c_keeps_all_steps_and_the_run_goes_on_bit_by_bit(files, tmp_path):
    code, output, errors = stopped_by(signal.SIGINT, files / "atlas.h5ad", tmp_path / "cut")
    assert code == 0, errors
    assert "InterruptedPretrainingWarning: Pre-training was interrupted after step 7" in output
    assert PretrainedEncoder.load(tmp_path / "cut").info()["learned"]["n_steps"] == 7
    resumed = pretrain(files / "atlas.h5ad", tmp_path / "cut", resume=True)
    assert_same_weights(resumed, PretrainedEncoder.load(files / "whole"))


def test_a_second_run_into_the_folder_is_refused(files, tmp_path):
    place = tmp_path / "shared"
    with start("wait", files / "atlas.h5ad", place) as child:
        try:
            assert child.stdout.readline() == "learning\n", child.stderr.read()
            with pytest.raises(OutputError, match="Another process is pre-training into"):
                pretrain(files / "atlas.h5ad", place, resume=True)
            child.communicate("go on\n", timeout=60)
        finally:
            child.kill()
    whole = PretrainedEncoder.load(files / "whole")
    assert_same_weights(PretrainedEncoder.load(place), whole)


@pytest.mark.parametrize("told", ["2", "many"])
def test_an_environment_of_several_processes_needs_torchrun(files, tmp_path, monkeypatch, told):
    monkeypatch.setenv("WORLD_SIZE", told)
    with pytest.raises(InputError, match="unset WORLD_SIZE"):
        pretrain(files / "atlas.h5ad", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_two_processes_learn_what_one_does(files, tmp_path):
    """Real processes, joined by gloo as torchrun does; equal but for rounding."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    children = [
        start("run", files / "atlas.h5ad", tmp_path / "two", RANK=str(rank), **common)
        for rank in range(2)
    ]
    try:
        ends = [child.communicate(timeout=120) for child in children]
    finally:
        for child in children:
            child.kill()
    assert [child.returncode for child in children] == [0, 0], ends
    two, whole = (PretrainedEncoder.load(p) for p in (tmp_path / "two", files / "whole"))
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(two.arrays[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
    losses = [run.facts["learned"]["losses"] for run in (two, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_resuming_a_finished_run_changes_nothing(files):
    before = (files / "whole" / "manifest.json").read_bytes()
    again = pretrain(files / "atlas.h5ad", files / "whole", resume=True)
    assert again.facts["learned"]["finished"]
    assert (files / "whole" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 32}, "batch_size was 16, now 32"),
        ({"n_steps": 20}, "n_steps was 12, now 20"),
        ({"model": replace(TINY.model, n_tokens=30)}, "n_tokens was 24, now 30"),
        ({"model": replace(TINY.model, width=32)}, "width was 16, now 32"),
        ({"mask_ratios": (0.5,)}, r"mask_ratios was \[0.25, 0.5, 0.75\], now \[0.5\]"),
    ],
)
def test_other_options_are_refused_with_the_difference(files, changes, said):
    with pytest.raises(InputError, match=said):
        pretrain(
            files / "atlas.h5ad", files / "whole", resume=True, config=replace(TINY, **changes)
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"random_state": 3}, "random_state was 0, now 3"),
        ({"batch_key": None}, "batch_key was 'batch', now None"),
        ({"vocabulary": ["GENE1", "GENE2"]}, "vocabulary was None, now '"),
    ],
)
def test_another_seed_or_key_is_refused(files, options, said):
    with pytest.raises(InputError, match=said):
        pretrain(files / "atlas.h5ad", files / "whole", resume=True, **options)


def test_other_cells_are_refused_with_the_difference(files, atlas, fresh_counts):
    def resume(cells):
        pretrain(cells, files / "whole", resume=True)

    with pytest.raises(InputError, match="n_cells was 360, now 359"):
        resume(atlas[:-1].copy())
    with pytest.raises(InputError, match="sum_of_some_values was"):
        resume(fresh_counts.copy())
    with pytest.raises(InputError, match="1 inputs, now 2"):
        resume([atlas, atlas])
    other = atlas.copy()
    other.obs["batch"] = "b1"
    with pytest.raises(InputError, match="sum_of_batches was"):
        resume(other)
    resume(atlas)  # the same cells from elsewhere are the same


def test_options_that_do_not_matter_may_change(files, tmp_path):
    pretrain(files / "atlas.h5ad", tmp_path / "one", config=replace(TINY, n_steps=2))
    free = replace(TINY, n_steps=2, checkpoint_steps=1, checkpoint_seconds=1.0, n_threads=2)
    again = pretrain(files / "atlas.h5ad", tmp_path / "one", config=free, resume=True)
    assert again.info()["learned"]["n_steps"] == 2


def test_a_folder_that_is_taken_is_left_alone(files, atlas):
    before = (files / "whole" / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match="--resume"):
        pretrain(atlas, files / "whole")
    assert (files / "whole" / "manifest.json").read_bytes() == before


def test_nothing_to_resume_is_an_error(atlas, tmp_path):
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        pretrain(atlas, tmp_path / "nowhere", resume=True)


def test_a_loss_that_is_not_finite_names_the_cells_and_keeps_the_checkpoint(atlas, tmp_path):
    wild = replace(TINY, learning_rate=1e30, warmup=0.0, checkpoint_steps=1)
    with pytest.raises(TrainingError, match=r"not finite at step \d+, on \d+ of 16 cells: ") as e:
        pretrain(atlas, tmp_path / "wild", config=wild)
    named = str(e.value).split("cells: ")[1].split("'")[1]
    row = int(str(e.value).split("(row ")[1].split(" ")[0].replace(",", ""))
    assert atlas.obs_names[row] == named
    kept = PretrainedEncoder.load(tmp_path / "wild")
    assert kept.facts["learned"]["n_steps"] < 12
    assert all(np.isfinite(array).all() for array in kept.arrays.values())


def test_cells_of_several_files_and_scales_are_learned_from(atlas, tmp_path):
    logged = atlas.copy()
    depth = np.asarray(atlas.X.sum(axis=1))
    logged.X = sp.csr_matrix(np.log1p(1e4 * atlas.X.toarray() / depth).astype(np.float32))
    logged = logged[:, 50:].copy()
    found = pretrain([atlas, logged], tmp_path / "two", config=replace(TINY, n_steps=2))
    scales = [source["scale"] for source in found.facts["sources"]]
    assert scales == ["counts", "log1p"]
    assert found.facts["n_cells"] == 720


def test_given_genes_are_the_vocabulary(atlas, tmp_path):
    names = ["GENE30", "GENE4", "NOWHERE1", "GENE5"]
    short = replace(TINY, n_steps=1)
    found = pretrain(atlas, tmp_path / "given", config=short, vocabulary=names, batch_key=None)
    assert list(found.vocabulary.genes.ids) == names
    assert found.facts["domains"] == []
    assert "domain.weight" not in found.arrays


def test_empty_cells_are_no_harm(atlas, tmp_path):
    X = atlas.X.toarray()
    X[::2] = 0
    atlas.X = sp.csr_matrix(X)
    found = pretrain(atlas, tmp_path / "half", config=replace(TINY, n_steps=3))
    assert found.facts["learned"]["finished"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_steps": 0}, "`n_steps` is 0"),
        ({"batch_size": 12}, "multiple of 8"),
        ({"learning_rate": float("nan")}, "`learning_rate` is nan"),
        ({"learning_rate": float("inf")}, "`learning_rate` is inf"),
        ({"mask_ratios": ()}, "`mask_ratios`"),
        ({"mask_ratios": (0.5, 1.0)}, "`mask_ratios`"),
        ({"warmup": 1.5}, "`warmup`"),
        ({"n_genes": 1}, "`n_genes`"),
        ({"model": replace(TINY.model, width=15)}, "multiple of their number"),
        ({"model": replace(TINY.model, width=18)}, "must be a multiple of 4"),
        ({"model": replace(TINY.model, n_bins=2)}, "`n_bins`"),
        ({"model": replace(TINY.model, n_tokens=1)}, "`n_tokens`"),
        ({"model": replace(TINY.model, values="ranks")}, "'bins', 'continuous'"),
        ({"model": replace(TINY.model, sampling="all")}, "'random', 'expressed'"),
    ],
)
def test_options_out_of_range_are_refused_before_any_work(atlas, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        pretrain(atlas, tmp_path / "no", config=replace(TINY, **changes))
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda a: a.X.data.__setitem__(5, np.nan), InvalidValuesError, "is NaN"),
        (lambda a: a.X.data.__setitem__(5, -2), InvalidValuesError, "is -2"),
        (lambda a: a.obs.pop("batch"), KeyNotFoundError, "no column 'batch'"),
        (lambda a: a.X.data.__setitem__(slice(None), 0), EmptyInputError, "two genes"),
    ],
)
def test_cells_that_cannot_be_used_leave_nothing(atlas, tmp_path, spoil, error, said):
    spoil(atlas)
    with pytest.raises(error, match=said):
        pretrain(atlas, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_no_gene_in_common_is_an_error(atlas, tmp_path):
    with pytest.raises(GeneMismatchError):
        pretrain(atlas, tmp_path / "no", vocabulary=["Abc1", "Abc2"])
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"n_steps": 12.5},
        {"n_steps": 12.0},
        {"n_steps": True},
        {"n_steps": "12"},
        {"n_genes": None},
        {"block_size": 16.5},
        {"checkpoint_steps": 2.5},
        {"n_threads": "2"},
        {"learning_rate": "fast"},
        {"warmup": None},
        {"mask_ratios": 0.5},
        {"mask_ratios": ("half",)},
        {"device": None},
        {"scale": "log"},
        {"layer": ["counts"]},
        {"gene_column": ["id"]},
        {"model": replace(TINY.model, n_tokens=24.5)},
        {"model": replace(TINY.model, width=16.0)},
        {"model": replace(TINY.model, n_heads="2")},
    ],
    ids=repr,
)
def test_options_of_another_type_are_refused_before_any_work(atlas, tmp_path, changes):
    """With a number of steps that no step reaches, the last checkpoint was never written."""
    with pytest.raises(InputError):
        pretrain(atlas, tmp_path / "no", config=replace(TINY, **changes))
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True, 2**70], ids=repr)
def test_what_is_no_seed(atlas, tmp_path, seed):
    with pytest.raises(InputError, match=r"`random_state` is .*, but must be a whole number"):
        pretrain(atlas, tmp_path / "no", random_state=seed)
    assert not (tmp_path / "no").exists()


def test_a_seed_of_numpy_is_one_of_python(atlas, tmp_path):
    few = replace(TINY, n_steps=2)
    one = pretrain(atlas, tmp_path / "one", config=few, random_state=np.int64(3))
    assert_same_weights(one, pretrain(atlas, tmp_path / "two", config=few, random_state=3))


@pytest.mark.parametrize("vocabulary", ["GENE1", 3, len], ids=repr)
def test_what_is_no_vocabulary(atlas, tmp_path, vocabulary):
    with pytest.raises(InputError, match=r"`vocabulary` is .*, but must be a list of gene names"):
        pretrain(atlas, tmp_path / "no", vocabulary=vocabulary)


@pytest.mark.parametrize("path", [None, 3, ["a"]], ids=repr)
def test_what_is_no_path(atlas, path):
    for call in (lambda: pretrain(atlas, path), lambda: PretrainedEncoder.load(path)):
        with pytest.raises(InputError, match=r"`path` is .*, but must be a path"):
            call()


def test_a_seed_or_device_that_cannot_be_is_an_error(atlas, tmp_path):
    with pytest.raises(InputError, match="-1"):
        pretrain(atlas, tmp_path / "no", random_state=-1)
    with pytest.raises(InputError, match="abacus"):
        pretrain(atlas, tmp_path / "no", config=replace(TINY, device="abacus"))


def test_checkpoints_are_written_by_time_as_well(atlas, tmp_path):
    timed = replace(TINY, n_steps=3, checkpoint_seconds=0.0, checkpoint_steps=1000)
    pretrain(atlas, tmp_path / "timed", config=timed)
    points = read_facts(tmp_path / "timed")["learned"]["losses"]
    assert [step for step, _ in points] == [1, 2, 3]
