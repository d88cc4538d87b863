"""Values that are no expression: what, where, and what to do."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import AnnotateConfig
from atlash.errors import (
    EmptyInputError,
    InputError,
    InvalidValuesError,
    KeyNotFoundError,
    ScaleError,
)
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

KEYS = AnnotationKeys()


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf"), (-3.0, "-3")]
)
def test_an_impossible_value_is_shown_with_its_gene_and_cell(use, spoilt, value, shown):
    cells = spoilt(value)
    where = rf"X: the value of gene 'GENE8' in cell '{cells.obs_names[5]}' \(row 5\) is {shown}\."
    with pytest.raises(InvalidValuesError, match=where + ".*are needed.*Mend or leave out"):
        use(cells)


@pytest.mark.parametrize("storage", [sp.csc_matrix, np.asarray], ids=["csc", "dense"])
def test_it_is_found_in_any_storage(use, spoilt, storage):
    cells = spoilt(np.nan)
    cells.X = storage(cells.X.toarray())
    with pytest.raises(InvalidValuesError, match=r"'GENE8' .* \(row 5\) is NaN"):
        use(cells)


def test_it_is_found_beyond_the_cells_that_show_the_scale(use, atlas):
    many = ad.concat([atlas] * 10, index_unique="-")
    X = many.X.tolil()
    X[::37, 7] = np.nan
    found = []
    for row in range(0, 3600, 37):
        one = many.X.tolil()
        one[row, 7] = np.nan
        found.append(sp.csr_matrix(one))
        if len(found) == 4:
            break
    for values in found:
        many.X = values
        with pytest.raises(InvalidValuesError, match=r"'GENE8' .* is NaN"):
            use(many)


def scaled(X, rng):
    return (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3)


def unknowable(X, rng):
    return np.where(X > 0, rng.lognormal(1, 1.2, X.shape), 0).clip(0, 19)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (scaled, r"X looks scaled: .* are negative\. Counts or log-normalised values"),
        (unknowable, r"scale cannot be told\. Say what they are with `scale`"),
    ],
)
def test_a_scale_that_is_wrong_or_hidden_is_an_error(use, atlas, rng, change, told):
    atlas.layers["counts"] = atlas.X.copy()
    atlas.X = change(atlas.X.toarray(), rng).astype(np.float32)
    with pytest.raises(ScaleError, match=told) as caught:
        use(atlas)
    assert "try `layer='counts'`" in str(caught.value)


@pytest.mark.parametrize("dtype", ["complex64", "object"])
def test_values_that_are_no_real_numbers(use, atlas, dtype):
    cells = ad.AnnData(atlas.X.toarray(), obs=atlas.obs, var=atlas.var)
    cells.X = cells.X.astype(dtype)
    with pytest.raises(InputError, match=rf"type {dtype}, but .* real numbers .*astype"):
        use(cells)


@pytest.mark.parametrize("shape", [(0, 300), (360, 0)], ids=["no cells", "no genes"])
def test_nothing_at_all(use, atlas, shape):
    empty = atlas[: shape[0], : shape[1]].copy()
    told = f"{shape[0]} cells and {shape[1]} genes; need both\\. Look whether a filter"
    with pytest.raises(EmptyInputError, match=told):
        use(empty)


def test_no_matrix(use, atlas):
    with pytest.raises(
        KeyNotFoundError, match=r"has no X; it has no matrix at all\. Counts belong"
    ):
        use(ad.AnnData(obs=atlas.obs, var=atlas.var))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("count", r"has no 'count'; it has 'counts', 'X'\. Try `layer='counts'`"),
        ("raw", r"^The AnnData has no 'raw'"),
    ],
)
def test_a_layer_that_is_missing(use, atlas, layer, told):
    atlas.layers["counts"] = atlas.X
    with pytest.raises(KeyNotFoundError, match=told):
        use(atlas, layer=layer)


@pytest.mark.parametrize(
    "thing", [np.ones((3, 3)), pd.DataFrame({"a": [1]}), sp.eye_array(3), 7, None], ids=type
)
def test_what_is_no_anndata(use, thing):
    with pytest.raises(InputError, match=r"must be an AnnData or the path .*, got \w+"):
        use(thing)


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("int32", 2**20), ("int64", 2**54), ("uint32", 2**21)],
)
def test_sums_beyond_the_type_of_the_values_are_right(atlas_counts, reference, dtype, factor):
    """The sum of a row overflows, its values do not: shares are those of the small counts."""
    config = AnnotateConfig(progress=False, n_threads=1)
    small = annotate(atlas_counts, reference, config=config, copy=True)
    large = atlas_counts.copy()
    large.X = sp.csr_matrix(atlas_counts.X.toarray().astype(dtype) * np.dtype(dtype).type(factor))
    total = large.X.toarray().astype(float).sum(axis=1)
    assert total.max() > np.iinfo(dtype).max
    assert large.X.min() >= 0
    annotate(large, reference, config=config)
    np.testing.assert_array_equal(large.obsm[KEYS.codes], small.obsm[KEYS.codes])
    np.testing.assert_array_equal(
        large.obs[KEYS.confidence].to_numpy(), small.obs[KEYS.confidence].to_numpy()
    )


@pytest.mark.parametrize(("dtype", "factor"), [("float64", 1e305), ("float32", 1e36)])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "fractions"])
def test_values_whose_sum_is_beyond_their_type(use, atlas, dtype, factor, whole):
    values = atlas.X.toarray() + (0 if whole else 0.25)
    atlas.X = sp.csr_matrix(values.astype(dtype) * np.dtype(dtype).type(factor))
    with pytest.raises(
        InvalidValuesError, match=r"of gene 'GENE\d+' .*, too large for expression"
    ):
        use(atlas)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_whole_numbers_teach_the_same_whatever_holds_them(atlas, reference, tiny, dtype):
    atlas.X = atlas.X.astype(dtype)
    built = Reference.build(atlas, "cell_type", "batch", config=tiny)
    assert built.fingerprint == reference.fingerprint
