"""Slips in how a verb is called: told at once, and nothing is written."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.errors import InputError
from atlash.tl import annotate, cluster, embed, markers, neighbors, pseudotime, umap
from atlash.tl.checks import check_anndata, check_config, check_key_added


@pytest.mark.parametrize("key", ["", " ", "a/b", "/", None, 7])
def test_keys_that_a_file_cannot_keep_are_refused(query, reference, key):
    before = list(query.obs), list(query.uns)
    told = r"`key_added` is .*, but must be a name without '/', such as 'atlash'"
    with pytest.raises(InputError, match=told):
        annotate(query, reference, key_added=key)
    with pytest.raises(InputError, match=told):
        cluster(query, key_added=key)
    assert (list(query.obs), list(query.uns)) == before
    assert not query.obsm


@pytest.mark.parametrize("verb", [embed, markers, neighbors, pseudotime, umap])
def test_every_verb_looks_at_its_keys_first(query, reference, verb):
    arguments = {embed: ("model",), neighbors: (reference,), pseudotime: ("c1",)}.get(verb, ())
    with pytest.raises(InputError, match="`key_added` is 'a/b', but must be a name"):
        verb(query, *arguments, key_added="a/b")


@pytest.mark.parametrize("key", ["blood", "of the lung", "T.1"])
def test_other_names_can_be_written_and_read_back(fresh_counts, reference, key, tmp_path):
    check_key_added(key)
    query = fresh_counts.copy()
    annotate(query, reference, key_added=key)
    query.write_h5ad(tmp_path / "q.h5ad")
    read = ad.read_h5ad(tmp_path / "q.h5ad")
    assert list(read.obs[f"{key}_label"]) == list(query.obs[f"{key}_label"])


@pytest.mark.parametrize("path", ["query.h5ad", Path("query.h5ad")])
@pytest.mark.parametrize("verb", [annotate, cluster])
def test_results_are_not_written_to_a_path(reference, verb, path):
    arguments = (path, reference) if verb is annotate else (path,)
    told = r"written to an AnnData, got \w+\. Read it: `anndata\.read_h5ad\('query\.h5ad'\)`"
    with pytest.raises(InputError, match=told):
        verb(*arguments)


@pytest.mark.parametrize("thing", [np.ones((2, 2)), None, 7, []], ids=repr)
def test_nor_to_anything_else(thing):
    with pytest.raises(InputError, match=r"got \w+\. Wrap a matrix as `anndata\.AnnData"):
        check_anndata(thing)


@pytest.mark.parametrize("value", ["0.5", None, 2, -0.1, float("nan")])
def test_options_out_of_their_range(value):
    with pytest.raises(InputError, match=r"`min_confidence` is .*, but must be from 0 to 1"):
        check_config(AnnotateConfig(min_confidence=value))


def test_a_part_of_what_is_on_disk_takes_no_results_but_gives_a_copy(
    fresh_counts, reference, tmp_path
):
    fresh_counts.write_h5ad(tmp_path / "query.h5ad")
    part = ad.read_h5ad(tmp_path / "query.h5ad", backed="r")[:10]
    for verb, *arguments in (
        (annotate, reference),
        (cluster,),
        (embed, "model"),
        (neighbors, reference),
    ):
        with pytest.raises(InputError, match=r"part of an AnnData .* `adata = adata\.to_memory"):
            verb(part, *arguments)
    found = annotate(part, reference, config=AnnotateConfig(progress=False), copy=True)
    assert found.n_obs == found.obs["atlash_label"].notna().sum() == 10
