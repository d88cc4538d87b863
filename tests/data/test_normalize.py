import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from atlash.config import InputConfig
from atlash.data.genes import GeneTable, merge_genes, read_gene_names
from atlash.data.matching import DuplicateGenesWarning
from atlash.data.normalize import Recipe, bind, linearise, project_rows, to_counts
from atlash.data.scale import LOG_BASES, Scale
from atlash.data.source import open_source
from atlash.errors import GeneMismatchError, InvalidValuesError

SCALES = ["counts", "normalized", *LOG_BASES]


def oracle(dense, gene_of_column, feature_of_gene, target):
    """Do cell by cell, gene by gene, what the kernel does."""
    n_features = max(feature_of_gene, default=-1) + 1
    X = np.zeros((len(dense), n_features))
    library, detected = np.zeros(len(dense)), np.zeros(len(dense), int)
    for row, values in enumerate(dense):
        total = np.zeros(len(feature_of_gene))
        for column, value in enumerate(values):
            if gene_of_column[column] >= 0:
                total[gene_of_column[column]] += value
        library[row], detected[row] = total.sum(), (total > 0).sum()
        for gene, feature in enumerate(feature_of_gene):
            if feature >= 0 and total[gene] > 0:
                X[row, feature] = np.log1p(target * total[gene] / library[row])
    return X, library, detected


@st.composite
def problems(draw):
    n_rows, n_columns, n_genes = (draw(st.integers(1, k)) for k in (4, 8, 6))
    values = st.integers(0, 9) | st.just(0)
    dense = draw(
        st.lists(
            st.lists(values, min_size=n_columns, max_size=n_columns),
            min_size=n_rows,
            max_size=n_rows,
        )
    )
    genes = draw(st.lists(st.integers(-1, n_genes - 1), min_size=n_columns, max_size=n_columns))
    chosen = draw(st.permutations(range(n_genes)))[: draw(st.integers(0, n_genes))]
    features = np.full(n_genes, -1, dtype=np.int32)
    features[chosen] = np.arange(len(chosen))
    return np.array(dense, dtype=float), np.array(genes, dtype=np.int32), features


def project(chunk, genes, features, target=1e4):
    return project_rows(chunk, gene_of_column=genes, feature_of_gene=features, target=target)


@given(
    problems(), st.sampled_from([np.float32, np.float64]), st.sampled_from([np.int32, np.int64])
)
def test_projection_equals_the_oracle(problem, dtype, index):
    dense, genes, features = problem
    chunk = sp.csr_array(dense.astype(dtype))
    chunk.indices, chunk.indptr = chunk.indices.astype(index), chunk.indptr.astype(index)
    X, library, detected = project(chunk, genes, features, 123.0)
    expected = oracle(dense, genes, features, 123.0)
    np.testing.assert_allclose(X.toarray(), expected[0], rtol=1e-6)
    np.testing.assert_array_equal(library, expected[1])
    np.testing.assert_array_equal(detected, expected[2])
    assert (X.dtype, library.dtype, detected.dtype) == (np.float32, np.float64, np.int32)


@given(problems(), st.randoms(use_true_random=False))
def test_projection_is_the_same_in_any_order_of_columns(problem, random):
    dense, genes, features = problem
    order = list(range(dense.shape[1]))
    random.shuffle(order)
    straight = project(sp.csr_array(dense), genes, features)
    shuffled = project(sp.csr_array(dense[:, order]), genes[order], features)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(straight[0], name), getattr(shuffled[0], name))


@given(problems())
def test_a_cell_does_not_depend_on_its_company(problem):
    dense, genes, features = problem
    together = project(sp.csr_array(dense), genes, features)[0].toarray()
    for row in range(len(dense)):
        alone = project(sp.csr_array(dense[row : row + 1]), genes, features)[0].toarray()
        np.testing.assert_array_equal(alone[0], together[row])


def test_entries_may_repeat_be_unsorted_or_zero():
    chunk = sp.csr_array(
        (np.array([2.0, 0, 3, 4]), np.array([2, 1, 0, 2]), np.array([0, 4])), shape=(1, 3)
    )
    genes, features = np.arange(3, dtype=np.int32), np.array([1, 2, 0], dtype=np.int32)
    X, library, detected = project(chunk, genes, features)
    np.testing.assert_allclose(X.toarray(), [np.log1p([1e4 * 6 / 9, 1e4 * 3 / 9, 0])], rtol=1e-6)
    assert (library[0], detected[0]) == (9, 2)


@pytest.mark.parametrize("unknown", [[], [4], [0, 3, 7, 11]], ids=str)
@pytest.mark.parametrize("zeros", [False, True])
def test_what_is_left_out_does_not_change_a_digit(unknown, zeros):
    """Sums of values that are not whole depend on their order, so that must stay."""
    rng = np.random.default_rng(0)
    known = rng.gamma(1.0, 1.0, (30, 40))
    genes, features = np.arange(40, dtype=np.int32), np.arange(40, dtype=np.int32) - 25
    features[:25] = -1
    expected = project(sp.csr_array(known), genes, features)
    dense = np.insert(known, unknown, 7.3, axis=1)
    genes = np.insert(genes, unknown, -1)
    if zeros:  # a second column of a gene, stored but empty
        dense, genes = np.insert(dense, 5, 1.0, axis=1), np.insert(genes, 5, 39)
    chunk = sp.csr_array(dense)
    if zeros:
        chunk.data[chunk.indices == 5] = 0
    X, library, detected = project(chunk, genes, features)
    np.testing.assert_array_equal(X.toarray(), expected[0].toarray())
    np.testing.assert_array_equal(library, expected[1])
    np.testing.assert_array_equal(detected, expected[2])


def test_a_library_beyond_32_bits():
    values = np.array([[2**31 - 1, 2**31 - 1, 1]], dtype=np.int32)
    source = open_source(ad.AnnData(values))
    chunk = next(source.chunks(1))[1]
    genes = np.arange(3, dtype=np.int32)
    X, library, _ = project(chunk, genes, genes)
    assert library[0] == 2**32 - 1
    np.testing.assert_allclose(X.toarray()[0, 0], np.log1p(5e3), rtol=1e-6)


@pytest.fixture
def recipe(adata, counts):
    table, _ = merge_genes([read_gene_names(adata.var, source_name="training")])
    fraction = counts.sum(axis=0) / counts.sum()
    return Recipe(table, fraction, np.array([1, 2, 5, 7, 30], dtype=np.int32))


def scaled(counts, scale, target=5e3):
    library = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if scale == "counts":
        return counts
    linear = counts / library * target
    return linear if scale == "normalized" else np.log1p(linear) / np.log(LOG_BASES[scale])


def run(cells, recipe, **options):
    weight = np.zeros(len(recipe.genes))
    weight[recipe.features] = 1 / recipe.features.size
    bound = bind(recipe, open_source(cells), InputConfig(**options), weight=weight)
    parts = list(bound.chunks(17))
    assert [part.rows.start for part in parts] == list(range(0, bound.n_cells, 17))
    return bound, np.concatenate([part.X.toarray() for part in parts])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csc_matrix, np.asarray])
def test_every_scale_and_storage_gives_the_same_input(
    adata, counts, recipe, *, scale, container, dtype, tmp_path
):
    expected = oracle(counts, range(40), recipe.feature_of_gene, 1e4)[0]
    adata.X = container(scaled(counts, scale).astype(dtype))
    adata.write_h5ad(tmp_path / "a.h5ad")
    for cells in (adata, tmp_path / "a.h5ad"):
        bound, X = run(cells, recipe)
        assert bound.scale.name == scale
        np.testing.assert_allclose(X, expected, rtol=2e-5)
        some = bound.rows(np.array([3, 20, 59]))
        np.testing.assert_allclose(some.X.toarray(), expected[[3, 20, 59]], rtol=2e-5)
        np.testing.assert_array_equal(some.n_genes, (counts[[3, 20, 59]] > 0).sum(axis=1))


def test_shuffled_and_unknown_genes_change_nothing(adata, recipe):
    plain = run(adata, recipe)[1]
    order = np.random.default_rng(0).permutation(40)
    more = ad.concat([adata[:, order], unknown(adata)], axis=1)
    np.testing.assert_array_equal(run(more, recipe)[1], plain)


def unknown(adata):
    other = adata[:, :3].copy()
    other.var_names = ["X1", "X2", "X3"]
    return other


def test_duplicate_columns_are_summed(adata, counts, recipe):
    halves = np.concatenate([counts, counts[:, [1, 5]]], axis=1)
    names = [*adata.var_names, "GENE1", "GENE5"]
    with pytest.warns(UserWarning, match="names are not unique"):
        doubled = ad.AnnData(halves, var=pd.DataFrame(index=names))
    with pytest.warns(DuplicateGenesWarning, match=r"2 columns repeat .*'GENE1'"):
        _, X = run(doubled, recipe)
    columns = [*range(40), 1, 5]
    np.testing.assert_allclose(
        X, oracle(halves, columns, recipe.feature_of_gene, 1e4)[0], rtol=1e-6
    )


def test_unmeasured_genes_shrink_the_target(adata, counts, recipe):
    bound, X = run(adata[:, :20], recipe)
    share = recipe.fraction[:20].sum()
    assert bound.target == pytest.approx(1e4 * share)
    np.testing.assert_array_equal(bound.measured_features, [True, True, True, True, False])
    features = np.where(np.arange(40) < 20, recipe.feature_of_gene, -1)
    expected = oracle(counts[:, :20], range(20), features[:20], 1e4 * share)[0]
    np.testing.assert_allclose(X[:, :4], expected, rtol=1e-6)
    assert (X[:, 4] == 0).all()


def test_too_few_features_are_refused(adata, recipe):
    with pytest.raises(GeneMismatchError, match="with 20% of the weight"):
        run(adata[:, 10:], recipe)
    assert run(adata[:, 10:], recipe, min_shared=0.1)[0].match.n_shared == 30


def test_bad_values_are_found_in_any_row(adata, recipe):
    adata.X = adata.X.toarray()
    adata.X[41, 5] = np.nan
    weight = np.full(40, 1 / 40)
    bound = bind(recipe, open_source(adata[:30]), InputConfig(), weight=weight)
    late = type(bound)(recipe, open_source(adata), bound.match, bound.scale)
    with pytest.raises(InvalidValuesError, match="gene 'GENE5' in cell 'c41'"):
        list(late.chunks(10))


def test_cells_of_next_to_nothing_are_refused(adata, counts, recipe):
    """They became NaN, whose label was the first type."""
    adata.X = counts * 1e-320
    with pytest.raises(InvalidValuesError, match=r"cell 'c0' \(row 0\) sum to .*, too little"):
        run(adata, recipe, scale="normalized")


def test_a_stray_linear_value_among_logarithms_is_refused(adata, counts, recipe):
    adata.X = scaled(counts, "log1p")
    weight = np.full(40, 1 / 40)
    bound = bind(recipe, open_source(adata), InputConfig(), weight=weight)
    adata.X[50, 2] = 120.0
    with pytest.raises(InvalidValuesError, match=r"cell 'c50'.*too large for expression"):
        list(bound.chunks(10))


@pytest.mark.parametrize("scale", SCALES)
def test_counts_are_recovered(counts, scale):
    values = sp.csr_array(scaled(counts, scale).astype(np.float32))
    found = to_counts(values, Scale(scale, None, integer=False, evidence=""))
    np.testing.assert_array_equal(found.toarray(), counts)


def test_expected_counts_are_kept():
    values = sp.csr_array([[0.5, 1.25, 0.0]])
    found = to_counts(values, Scale("counts", None, integer=False, evidence=""))
    np.testing.assert_array_equal(found.toarray(), values.toarray())


def test_linear_values_leave_the_chunk_as_it_was():
    chunk = sp.csr_array(np.log1p([[3.0, 0, 8]]))
    before = chunk.data.copy()
    linear = linearise(chunk, Scale("log1p", None, integer=False, evidence=""))
    np.testing.assert_allclose(linear.toarray(), [[3, 0, 8]])
    np.testing.assert_array_equal(chunk.data, before)


def test_a_recipe_without_features():
    table = GeneTable(np.array(["A1", "B2"], dtype=object), "symbol")
    recipe = Recipe(table, np.array([0.5, 0.5]), np.array([], dtype=np.int32))
    assert list(recipe.feature_of_gene) == [-1, -1]
