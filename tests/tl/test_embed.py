from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

from atlash.config import EmbedConfig, PretrainConfig, TransformerConfig
from atlash.errors import FileFormatError, GeneMismatchError, InputError, KeyNotFoundError
from atlash.models.pretrained import PretrainedEncoder
from atlash.models.vocabulary import UnknownGenesWarning
from atlash.tl import embed

QUIET = EmbedConfig(device="cpu", progress=False, n_threads=1)
KEY = "X_atlash_pretrained"


@pytest.fixture(scope="module")
def model(tmp_path_factory, atlas_counts):
    config = PretrainConfig(
        device="cpu",
        model=TransformerConfig(n_tokens=64, width=16, n_layers=1, n_heads=2, n_hidden=16),
        n_steps=2,
        batch_size=16,
        n_threads=1,
        progress=False,
    )
    path = tmp_path_factory.mktemp("embed") / "model"
    PretrainedEncoder.pretrain(atlas_counts, path, config=config)
    return path


def test_embeddings_and_their_story_are_written(model, fresh_counts, tmp_path):
    cells = fresh_counts.copy()
    assert embed(cells, model, config=QUIET) is None
    assert cells.obsm[KEY].shape == (360, 16)
    assert cells.obsm[KEY].dtype == np.float32
    story = cells.uns["atlash_pretrained"]
    assert story["encoder_fingerprint"] == PretrainedEncoder.load(model).fingerprint
    assert story["genes"]["n_genes_known"] == len(PretrainedEncoder.load(model).vocabulary)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(back.obsm[KEY], cells.obsm[KEY])
    assert back.uns["atlash_pretrained"]["scale"] == "counts"


def test_a_copy_leaves_the_cells_alone_and_keys_can_be_chosen(model, fresh_counts):
    cells = fresh_counts.copy()
    encoder = PretrainedEncoder.load(model)
    copy = embed(cells, encoder, key_added="mine", config=QUIET, copy=True)
    assert set(copy.obsm) == {"X_mine"}
    assert "mine" in copy.uns
    assert not cells.obsm
    assert not cells.uns


def test_a_layer_is_read(model, fresh_counts):
    cells = fresh_counts.copy()
    cells.layers["counts"] = cells.X.copy()
    cells.X.data[:] = 1
    embed(cells, model, layer="counts", config=QUIET)
    expected = embed(fresh_counts.copy(), model, config=QUIET, copy=True)
    np.testing.assert_array_equal(cells.obsm[KEY], expected.obsm[KEY])
    with pytest.raises(KeyNotFoundError):
        embed(cells, model, layer="count", config=QUIET)


def test_few_known_genes_are_told_with_numbers_and_examples(model, fresh_counts):
    cells = fresh_counts[:, :100].copy()
    names = cells.var_names.to_list()
    cells.var_names = [f"OTHER{k}" for k in range(60)] + names[60:]
    with pytest.warns(UnknownGenesWarning, match=r" of the 299 .* 6\d of its .*'OTHER0'"):
        embed(cells, model, config=QUIET)
    assert cells.uns["atlash_pretrained"]["genes"]["n_genes_known"] in {39, 40}


def test_nothing_is_written_where_cells_cannot_be_used(model, fresh_counts, tmp_path):
    cells = fresh_counts.copy()
    cells.var_names = [f"Abc{k}" for k in range(300)]
    with pytest.raises(GeneMismatchError):
        embed(cells, model, config=QUIET)
    bad = fresh_counts.copy()
    bad.X.data[7] = np.nan
    with pytest.raises(InputError):
        embed(bad, model, config=QUIET)
    with pytest.raises(InputError, match="`chunk_size` is 0"):
        embed(bad, model, config=EmbedConfig(chunk_size=0))
    with pytest.raises(InputError, match="abacus"):
        embed(fresh_counts.copy(), model, config=replace(QUIET, device="abacus"))
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        embed(bad, tmp_path, config=QUIET)
    assert not cells.obsm
    assert not bad.obsm


def test_labels_are_never_looked_at(model, fresh_counts):
    cells = fresh_counts.copy()
    expected = embed(cells, model, config=QUIET, copy=True).obsm[KEY]
    cells.obs["cell_type"] = cells.obs["cell_type"].to_numpy()[::-1]
    embed(cells, model, config=QUIET)
    np.testing.assert_array_equal(cells.obsm[KEY], expected)
