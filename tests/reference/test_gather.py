import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import InputConfig
from atlash.data.matching import DuplicateGenesWarning
from atlash.data.source import open_sources
from atlash.errors import EmptyInputError, GeneMismatchError, InvalidValuesError
from atlash.reference.gather import EmptyCellsWarning, gather, sample_by_type
from atlash.reference.labels import read_labels

GENES = [f"GENE{k}" for k in range(1, 41)]


def cells(n, seed, genes=GENES):
    """Draw counts that depend on the cell and the gene's name alone."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.poisson(1.0, (n, len(GENES))), columns=GENES)
    table["EXTRA1"] = rng.poisson(1.0, n)
    table["EXTRA2"] = rng.poisson(1.0, n)
    table[GENES[0]] += 1  # no cell is empty
    X = sp.csr_matrix(table[genes].to_numpy(np.float32))
    obs = pd.DataFrame({"kind": ["T", "B"] * (n // 2)}, index=[f"c{seed}-{k}" for k in range(n)])
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=genes))


def gathered(*given, max_cells=10_000, max_unlabelled=0, random_state=0, scale="auto"):
    sources = open_sources(list(given))
    labels = read_labels(
        sources, "kind", None, max_unlabelled=0.9, use_unlabelled=max_unlabelled > 0
    )
    config = InputConfig(scale=scale)
    return gather(
        sources, labels, config,
        max_cells=max_cells, max_unlabelled=max_unlabelled, random_state=random_state,
    )  # fmt: skip


def table_of(found):
    return pd.DataFrame(found.cells.counts.toarray(), columns=list(found.genes.ids))


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=12).filter(any),
    st.integers(1, 800),
    st.integers(0, 5),
)
def test_types_give_as_evenly_as_they_can(sizes, max_cells, seed):
    rng = np.random.default_rng(seed)
    unlabelled = np.full(7, -1)
    codes = rng.permutation(np.concatenate([np.repeat(np.arange(len(sizes)), sizes), unlabelled]))
    chosen = sample_by_type(codes, max_cells, random_state=seed)
    assert (np.diff(chosen) > 0).all()  # ascending, none twice
    assert (codes[chosen] >= 0).all()
    taken = np.bincount(codes[chosen], minlength=len(sizes))
    quota = taken.max()
    # a type gives all it has, or as much as any other
    assert all(t in (size, quota) for t, size in zip(taken, sizes, strict=True))
    n_types = sum(size > 0 for size in sizes)
    assert len(chosen) <= max(max_cells, n_types)
    room = min(max_cells, sum(sizes))
    assert len(chosen) > room - n_types  # no more is left over than rounding takes


def test_all_cells_are_taken_where_there_is_room():
    codes = np.array([0, -1, 1, 1, -1])
    np.testing.assert_array_equal(sample_by_type(codes, 3, random_state=0), [0, 2, 3])


def test_rare_types_are_taken_whole():
    codes = np.repeat([0, 1, 2], [1000, 7, 500])
    taken = np.bincount(codes[sample_by_type(codes, 107, random_state=0)])
    np.testing.assert_array_equal(taken, [50, 7, 50])


def test_every_type_keeps_a_cell_however_few_are_wanted():
    codes = np.repeat(np.arange(20), 30)
    taken = np.bincount(codes[sample_by_type(codes, 5, random_state=0)])
    np.testing.assert_array_equal(taken, 1)


def test_the_draw_follows_the_seed():
    codes = np.repeat([0, 1], 500)
    one, same, other = (sample_by_type(codes, 100, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_one_source_is_gathered_as_it_is():
    source = cells(20, seed=0)
    found = gathered(source)
    assert list(found.genes.ids) == GENES
    np.testing.assert_array_equal(found.cells.counts.toarray(), source.X.toarray())
    assert found.cells.groups is None
    assert found.cells.n_types == 2
    assert [scale.name for scale in found.scales] == ["counts"]


def test_genes_are_joined_by_name_in_whatever_order():
    shuffled = list(np.random.default_rng(5).permutation(GENES))
    one, other = cells(20, seed=0), cells(10, seed=1, genes=shuffled)
    found = table_of(gathered(one, other))
    expected = pd.concat([one.to_df(), other.to_df()[GENES]], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_column_type=False)


def test_only_genes_that_all_sources_measured_are_kept():
    one = cells(20, seed=0, genes=[*GENES[:30], "EXTRA1"])
    other = cells(10, seed=1, genes=["EXTRA2", *GENES[:4:-1]])
    result = gathered(one, other)
    common = GENES[5:30]
    found = table_of(result)
    assert sorted(found.columns) == sorted(common)
    expected = pd.concat([one.to_df()[common], other.to_df()[common]], ignore_index=True)
    pd.testing.assert_frame_equal(found[common], expected, check_column_type=False)
    np.testing.assert_array_equal(result.cells.groups, [0] * 20 + [1] * 10)


def test_too_few_common_genes_are_an_error():
    one, other = cells(20, seed=0, genes=GENES[:25]), cells(20, seed=1, genes=GENES[16:])
    with pytest.raises(GeneMismatchError, match=r"2 inputs have 9 genes in common.* 24 of the sm"):
        gathered(one, other)


def test_a_gene_in_two_columns_is_the_sum_of_both():
    source = cells(20, seed=0)
    # version numbers are no part of an identifier
    source.var_names = [f"ENSG{k:011d}.{k % 7}" for k in range(39)] + ["ENSG00000000000.5"]
    dense = source.X.toarray()
    expected = dense[:, :39].copy()
    expected[:, 0] += dense[:, 39]
    with pytest.warns(DuplicateGenesWarning):
        found = gathered(source)
    assert len(found.genes) == 39
    np.testing.assert_array_equal(found.cells.counts.toarray(), expected)


def test_a_sample_keeps_cells_types_and_batches_together():
    one, other = cells(40, seed=0), cells(60, seed=1)
    found = gathered(one, other, max_cells=30)
    assert len(found.cells) == 30
    everyone = pd.concat([one.to_df(), other.to_df()]).to_numpy()
    kinds, groups = np.tile([1, 0], 50), np.repeat([0, 1], [40, 60])
    for row, label, group in zip(
        found.cells.counts.toarray(), found.cells.labels, found.cells.groups, strict=True
    ):
        match = np.flatnonzero((everyone == row).all(axis=1))
        assert (label, group) in {(kinds[m], groups[m]) for m in match}


def test_a_source_may_have_no_labelled_cell():
    one, other = cells(40, seed=0), cells(20, seed=1)
    other.obs["kind"] = None
    with pytest.warns(match="20 of 60 cells have no label"):
        found = gathered(one, other)
    assert [scale.name for scale in found.scales] == ["counts"] * 2
    np.testing.assert_array_equal(found.cells.counts.toarray(), one.X.toarray())


def test_a_source_without_labelled_cells_takes_no_gene_unless_it_is_used():
    one, other = cells(40, seed=0), cells(20, seed=1, genes=GENES[:15])
    other.obs["kind"] = None
    with pytest.warns(match="20 of 60 cells have no label"):
        assert list(gathered(one, other).genes.ids) == GENES
    refused = r"no labelled cell and 15 of the 40 genes of those that have, less than 90%"
    with pytest.raises(GeneMismatchError, match=refused):
        gathered(one, other, max_unlabelled=10)


def test_a_source_without_labelled_cells_may_lack_a_few_genes():
    one, other = cells(40, seed=0), cells(20, seed=1, genes=GENES[:37])
    other.obs["kind"] = None
    found = gathered(one, other, max_unlabelled=100)
    assert list(found.genes.ids) == GENES[:37]
    np.testing.assert_array_equal(found.cells.unlabelled.counts.toarray(), other.X.toarray())


def test_unlabelled_cells_may_all_be_without_counts():
    source = unlabelled_in_part()
    X = source.X.tolil()
    X[14:] = 0
    source.X = X.tocsr()
    assert gathered(source, max_unlabelled=100).cells.n_unlabelled == 0


def test_values_of_unlabelled_cells_are_checked_too():
    source = unlabelled_in_part()
    source.X.data[-1] = np.nan
    with pytest.raises(InvalidValuesError, match="c0-39"):
        gathered(source, max_unlabelled=100, scale="counts")


def unlabelled_in_part(n_labelled=14):
    source = cells(40, seed=0)
    source.obs["batch"] = ["x", "y"] * 20
    source.obs["kind"] = source.obs["kind"].where(np.arange(40) < n_labelled, None)
    return source


def test_cells_without_a_label_are_gathered_where_they_are_wanted():
    source = unlabelled_in_part()
    found = gathered(source, max_unlabelled=100).cells
    assert (len(found), found.n_unlabelled) == (14, 26)
    np.testing.assert_array_equal(found.counts.toarray(), source.X.toarray()[:14])
    np.testing.assert_array_equal(found.unlabelled.counts.toarray(), source.X.toarray()[14:])
    assert found.unlabelled.groups is None


def test_of_many_cells_without_a_label_some_are_drawn_by_the_seed():
    draws = [
        gathered(unlabelled_in_part(), max_unlabelled=10, random_state=seed).cells.unlabelled
        for seed in (0, 0, 1)
    ]
    one, same, other = (drawn.counts.toarray() for drawn in draws)
    assert one.shape == (10, 40)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_cells_without_a_label_keep_their_batch_and_those_without_counts_are_left_out():
    one, other = unlabelled_in_part(), cells(20, seed=1)
    other.obs["kind"] = None
    X = other.X.tolil()
    X[4] = 0
    other.X = X.tocsr()
    found = gathered(one, other, max_unlabelled=100).cells
    np.testing.assert_array_equal(found.groups, [0] * 14)
    np.testing.assert_array_equal(found.unlabelled.groups, [0] * 26 + [1] * 19)


def test_logarithms_become_counts_again():
    source = cells(40, seed=0)
    library = np.asarray(source.X.sum(axis=1))
    logged = source.copy()
    logged.X = sp.csr_matrix(np.log1p(source.X.toarray() / library * 1e4).astype(np.float32))
    found = gathered(logged, scale="log1p")
    dense = source.X.toarray()
    one_molecule = np.where(dense > 0, dense, np.inf).min(axis=1) == 1
    assert one_molecule.mean() > 0.9
    np.testing.assert_array_equal(found.cells.counts.toarray()[one_molecule], dense[one_molecule])


def test_cells_without_counts_are_left_out_with_a_warning():
    source = cells(20, seed=0)
    filled = np.isin(np.arange(20), [3, 8], invert=True)
    source.X = sp.csr_matrix(source.X.multiply(filled[:, None]))
    with pytest.warns(EmptyCellsWarning, match="2 training cells without counts"):
        found = gathered(source)
    kept = np.delete(np.arange(20), [3, 8])
    np.testing.assert_array_equal(found.cells.counts.toarray(), source.X.toarray()[kept])
    np.testing.assert_array_equal(found.cells.labels, np.tile([1, 0], 10)[kept])


def test_a_cell_with_counts_in_no_common_gene_is_empty():
    one, other = cells(20, seed=0), cells(20, seed=1, genes=GENES[1:])
    dense = one.X.toarray()
    dense[5, 1:] = 0  # what is left is of a gene that the other source lacks
    one.X = sp.csr_matrix(dense)
    with pytest.warns(EmptyCellsWarning, match="1 training cells"):
        found = gathered(one, other)
    assert len(found.cells) == 39


def test_no_counts_at_all_are_an_error():
    source = cells(20, seed=0)
    source.X = sp.csr_matrix(source.shape, dtype=np.float32)
    with pytest.raises(EmptyInputError, match="All 20 training cells are without counts"):
        gathered(source, scale="counts")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_values_that_are_no_counts_are_an_error(bad):
    source = cells(20, seed=0)
    source.X.data[4] = bad
    with pytest.raises(InvalidValuesError):
        gathered(source, scale="counts")
