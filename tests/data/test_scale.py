import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from atlash.data.scale import LOG_BASES, ScaleWarning, detect_scale
from atlash.data.source import open_source
from atlash.errors import InputError, InvalidValuesError, ScaleError


@pytest.fixture(scope="module")
def counts():
    """300 cells x 1,000 genes as from droplets: a few thousand molecules, most genes 0 or 1."""
    rng = np.random.default_rng(1)
    mean = rng.lognormal(-1.5, 1.6, 1000)
    depth = rng.lognormal(0, 0.4, 300)
    return rng.poisson(depth[:, None] * mean).astype(np.float64)


def transform(counts, scale, target):
    library = counts.sum(axis=1, keepdims=True)
    target = np.median(library) if target is None else target
    linear = counts / library * target
    return linear if scale == "normalized" else np.log1p(linear) / np.log(LOG_BASES[scale])


def detect(values, **options):
    return detect_scale(open_source(ad.AnnData(values)), **options)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_whole_numbers_are_counts(counts, dtype):
    scale = detect(sp.csr_matrix(np.minimum(counts, 200).astype(dtype)))
    assert (scale.name, scale.integer) == ("counts", True)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("target", [1e4, 1e6, None])
@pytest.mark.parametrize("scale", [*LOG_BASES, "normalized"])
def test_normalised_values(counts, scale, target, dtype):
    if dtype == np.float16 and scale == "normalized":
        target = min(target or 1e4, 1e4)  # half precision ends at 65,504
    values = transform(counts, scale, target).astype(dtype)
    found = detect(values)
    assert (found.name, found.integer) == (scale, False)
    expected = np.median(counts.sum(axis=1)) if target is None else target
    assert found.target_sum == pytest.approx(expected, rel=0.01)
    subset = detect(values[:, 200:600])
    assert subset.name == scale
    assert subset.target_sum is None


@pytest.mark.parametrize("scale", LOG_BASES)
def test_logarithms_rounded_to_three_decimals(counts, scale):
    values = transform(counts, scale, 1e4).round(3).astype(np.float32)
    assert detect(values).name == scale
    assert detect(values[:, 100:800]).name == scale


@pytest.mark.parametrize("scale", [*LOG_BASES, "normalized"])
def test_a_lone_cell(counts, scale):
    values = transform(counts, scale, 1e4)[:1]
    assert detect(values).name == scale
    assert detect(values[:, :500]).name == scale


def test_real_log_values_of_a_gene_subset():
    adata = pytest.importorskip("scanpy").datasets.pbmc68k_reduced()
    assert detect_scale(open_source(adata, "raw")).name == "log1p"
    with pytest.raises(ScaleError, match=r"X looks scaled: in 700 cells.*try `layer='raw'`"):
        detect_scale(open_source(adata))


def test_expected_counts(counts):
    rng = np.random.default_rng(0)
    shared = rng.random(counts.shape) < 0.2  # multi-mapped reads are split between genes
    values = np.where(shared, counts * rng.random(counts.shape).round(2), counts)
    assert detect(values).name == "counts"
    small = np.minimum(values, 6.5)
    assert detect(small).name == "counts"


def test_gene_activity(counts):
    weights = np.random.default_rng(0).random((1000, 300)) * 4
    assert detect(counts @ weights).name == "counts"


def test_small_fractions_are_guessed_with_a_warning(counts):
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, 1.0, (200, 100))
    with pytest.warns(ScaleWarning, match="Say what they are with `scale`"):
        assert detect(np.minimum(values, 9.5)).name == "log1p"


def test_values_that_cannot_be_told():
    values = np.random.default_rng(0).gamma(2.0, 3.0, (200, 100))
    with pytest.raises(ScaleError, match=r"cannot be told.*'log10p1'"):
        detect(np.minimum(values, 18.5))


def test_scaled_values_say_what_was_measured(counts):
    values = (counts - counts.mean(axis=0)) / (counts.std(axis=0) + 0.1)
    with pytest.raises(ScaleError, match=r"from -.* to .* \(mean .*standard deviation"):
        detect(values)
    adata = ad.AnnData(values, layers={"counts": counts})
    with pytest.raises(ScaleError, match="try `layer='counts'`"):
        detect_scale(open_source(adata))
    swapped = ad.AnnData(counts, layers={"scaled": values})
    with pytest.raises(ScaleError, match="try no `layer`"):
        detect_scale(open_source(swapped, "scaled"))


def test_negative_whole_numbers(counts):
    values = counts.copy()
    values[7, 3] = -2
    with pytest.raises(InvalidValuesError, match=r"gene '3' in cell '7' \(row 7\) is -2"):
        detect(values)


@pytest.mark.parametrize("scale", ["log1p", "normalized"])
def test_a_few_negative_values_are_no_scaling(counts, scale):
    values = transform(counts, scale, 1e4)
    values[7, 3] = values[200, 5] = -0.5
    with pytest.raises(InvalidValuesError, match=r"gene '3' in cell '7' \(row 7\) is -0\.5"):
        detect(sp.csr_matrix(values))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(counts, value):
    values = counts.copy()
    values[0, 5] = value
    with pytest.raises(InvalidValuesError, match="gene '5' in cell '0'"):
        detect(values)


def test_cells_without_counts():
    assert detect(np.zeros((5, 4))).name == "counts"
    assert detect(np.zeros((5, 4)), declared="log1p").name == "log1p"


def test_all_rows_are_sampled(counts):
    mixed = np.concatenate([np.zeros((900, 1000)), transform(counts, "log1p", 1e4)])
    assert detect(mixed, n_rows=200).name == "log1p"


def test_the_seed_decides(counts):
    values = transform(counts, "log2p1", 1e4)
    assert detect(values, n_rows=50, random_state=3) == detect(values, n_rows=50, random_state=3)


def test_the_user_s_word_is_taken(counts):
    values = np.random.default_rng(0).gamma(2.0, 1.0, (200, 100))
    for declared in ("counts", "normalized", "log1p", "log2p1", "log10p1"):
        assert detect(np.minimum(values, 7), declared=declared).name == declared


def test_the_user_s_word_is_checked(counts):
    with pytest.raises(ScaleError, match="declared 'log1p', but all values are whole"):
        detect(np.minimum(counts, 15), declared="log1p")
    with pytest.raises(ScaleError, match="declared 'log10p1', but the largest value is"):
        detect(counts * 1.5, declared="log10p1")
    with pytest.raises(ScaleError, match="looks scaled"):
        detect(counts - 0.5, declared="counts")


@pytest.mark.parametrize("declared", ["log", "Counts", "", None, 3, [], ("log1p",)], ids=repr)
def test_what_is_no_scale_is_refused_and_not_taken_for_linear_values(counts, declared):
    with pytest.raises(InputError, match=r"^`scale` is .*, but must be one of 'auto', 'counts', "):
        detect(transform(counts, "log1p", 1e4), declared=declared)


def test_the_nearest_scale_is_named(counts):
    with pytest.raises(InputError, match=r"Did you mean 'normalized'\?"):
        detect(counts, declared="normalised")
