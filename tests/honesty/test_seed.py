"""The seed decides everything, and nothing else does."""

import dataclasses

import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate


def build(cells, config, **options):
    return Reference.build(cells, "cell_type", "batch", config=config, **options)


def codes(reference):
    return reference.cells.column("code").to_pylist()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_one_seed_gives_one_reference_on_any_number_of_threads(
    atlas_counts, reference, tiny, n_threads
):
    again = build(atlas_counts, dataclasses.replace(tiny, n_threads=n_threads), random_state=0)
    assert again.fingerprint == reference.fingerprint
    assert codes(again) == codes(reference)


def test_another_seed_gives_another_reference(atlas_counts, reference, tiny):
    other = build(atlas_counts, tiny, random_state=1)
    assert other.fingerprint != reference.fingerprint


@pytest.mark.parametrize("change", [{"chunk_size": 17}, {"max_unlabelled": 1.0}], ids=str)
def test_how_the_work_is_cut_up_does_not_matter(atlas_counts, reference, tiny, change):
    again = build(atlas_counts, dataclasses.replace(tiny, **change))
    assert again.fingerprint == reference.fingerprint


def test_the_worlds_random_state_is_neither_read_nor_moved(atlas_counts, reference, tiny):
    import torch

    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    drawn = torch.get_rng_state()
    assert build(atlas_counts, tiny).fingerprint == reference.fingerprint
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_subset_of_cells_makes_another_reference(atlas_counts, reference, tiny):
    """The fingerprint tells: a constant one would pass the tests above."""
    assert build(atlas_counts[:300].copy(), tiny).fingerprint != reference.fingerprint


def test_loading_changes_nothing(reference, fresh_counts, tmp_path):
    dataclasses.replace(reference).save(tmp_path / "r.atlash")
    loaded = Reference.load(tmp_path / "r.atlash")
    assert loaded.fingerprint == reference.fingerprint
    config = AnnotateConfig(progress=False)
    one, other = (annotate(fresh_counts, r, config=config, copy=True) for r in (reference, loaded))
    keys = AnnotationKeys()
    np.testing.assert_array_equal(one.obsm[keys.codes], other.obsm[keys.codes])
    for key in (keys.label, keys.confidence, keys.margin, keys.novelty):
        np.testing.assert_array_equal(one.obs[key].to_numpy(), other.obs[key].to_numpy())


def test_annotating_changes_neither_reference_nor_cells(reference, fresh_counts):
    fingerprint = reference.fingerprint
    before = fresh_counts.X.copy()
    annotate(fresh_counts, reference, config=AnnotateConfig(progress=False), copy=True)
    object.__delattr__(reference, "fingerprint")  # computed anew from the arrays
    assert reference.fingerprint == fingerprint
    assert (before != fresh_counts.X).nnz == 0
