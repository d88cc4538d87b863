import json
import shutil
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

from atlash.config import InputConfig, PretrainConfig, TransformerConfig
from atlash.data.source import open_source
from atlash.errors import FileFormatError
from atlash.models.model_folder import _checksum, read_facts
from atlash.models.pretrained import PretrainedEncoder

TINY = PretrainConfig(
    device="cpu",
    model=TransformerConfig(n_tokens=100, width=16, n_layers=1, n_heads=2, n_hidden=16),
    n_steps=2,
    batch_size=16,
    n_threads=1,
    progress=False,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, atlas_counts):
    path = tmp_path_factory.mktemp("pretrained") / "model"
    PretrainedEncoder.pretrain(atlas_counts, path, config=TINY)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def embeddings(encoder, cells, **options):
    bound = encoder.vocabulary.bind(open_source(cells), InputConfig(min_shared=0.0))
    options = {"device": "cpu", "chunk_size": 100, "n_threads": 1} | options
    return np.concatenate([part for _, part in encoder.embed(bound, **options)])


def test_a_loaded_encoder_is_the_one_that_was_saved(saved, folder):
    one, other = PretrainedEncoder.load(saved), PretrainedEncoder.load(str(folder))
    assert one.fingerprint == other.fingerprint
    assert one.config == TINY.model
    assert json.loads(json.dumps(one.info())) == one.info()
    assert one.info()["n_parameters"] == sum(array.size for array in one.arrays.values())


@pytest.mark.parametrize("options", [{"chunk_size": 7}, {"chunk_size": 1000}, {"n_threads": 3}])
def test_neither_chunks_nor_threads_change_an_embedding(saved, fresh_counts, options):
    encoder = PretrainedEncoder.load(saved)
    expected = embeddings(encoder, fresh_counts)
    np.testing.assert_array_equal(embeddings(encoder, fresh_counts, **options), expected)


def test_an_embedding_does_not_depend_on_company(saved, fresh_counts):
    encoder = PretrainedEncoder.load(saved)
    expected = embeddings(encoder, fresh_counts)
    some = np.array([200, 3, 77])
    np.testing.assert_array_equal(embeddings(encoder, fresh_counts[some].copy()), expected[some])


def test_genes_may_come_in_any_order_beside_unknown_ones(saved, fresh_counts):
    encoder = PretrainedEncoder.load(saved)
    few = fresh_counts[:20].copy()
    more = few[:, :30].copy()
    more.var_names = [f"OTHER{k}" for k in range(30)]
    joined = ad.concat([few, more], axis="var")
    turned = joined[:, np.random.default_rng(0).permutation(joined.n_vars)].copy()
    np.testing.assert_array_equal(embeddings(encoder, turned), embeddings(encoder, few))


def test_a_cell_without_known_genes_is_nowhere(saved, fresh_counts):
    encoder = PretrainedEncoder.load(saved)
    few = fresh_counts[:3].copy()
    few.X.data[few.X.indptr[1] : few.X.indptr[2]] = 0
    found = embeddings(encoder, few)
    assert not found[1].any()
    assert found[[0, 2]].any(axis=1).all()


@pytest.mark.parametrize("name", ["weights", "vocabulary"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_a_damaged_file_is_named(folder, name, damage):
    path = folder / read_facts(folder)["files"][name]["path"]
    raw = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw if damage == "flipped" else raw[:100])
    with pytest.raises(FileFormatError, match=path.name):
        PretrainedEncoder.load(folder)


def test_weights_that_contradict_the_options_are_an_error(folder):
    facts = json.loads((folder / "manifest.json").read_text())
    del facts["checksum"]
    facts["settings"]["model"]["width"] = 32
    (folder / "manifest.json").write_text(json.dumps(facts | {"checksum": _checksum(facts)}))
    with pytest.raises(FileFormatError, match="contradicts itself"):
        PretrainedEncoder.load(folder)


@pytest.mark.parametrize("values", ["bins", "continuous"])
@pytest.mark.parametrize("sampling", ["random", "expressed"])
def test_every_form_is_learned_saved_and_used(atlas_counts, tmp_path, values, sampling):
    model = replace(TINY.model, values=values, sampling=sampling, n_tokens=20)
    config = replace(TINY, model=model, n_steps=1)
    encoder = PretrainedEncoder.pretrain(atlas_counts, tmp_path / "m", config=config)
    found = embeddings(encoder, atlas_counts[:40].copy())
    assert np.isfinite(found).all()
    assert found.std(axis=0).max() > 0


def test_encoders_can_be_compared_kept_in_sets_and_shown(saved):
    one, other = (PretrainedEncoder.load(saved) for _ in range(2))
    assert one == one != other  # noqa: PLR0124 (that it compares at all is what is asked)
    assert len({one, other}) == 2
    assert len(repr(one)) < 200
