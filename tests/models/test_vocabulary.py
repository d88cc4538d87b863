import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import InputConfig
from atlash.data.source import open_source, open_sources
from atlash.errors import EmptyInputError, GeneMismatchError, InputError
from atlash.models.vocabulary import Vocabulary, genes_known, learn_vocabulary

OPTIONS = InputConfig(min_shared=0.0, chunk_size=50)


def cells(names, seed=0, n=80, mean=3.0):
    rng = np.random.default_rng(seed)
    X = sp.csr_matrix(rng.poisson(mean, (n, len(names))).astype(np.float32))
    return ad.AnnData(X, var=pd.DataFrame(index=list(names)))


def learn(*parts, n_genes=1000, names=None):
    return learn_vocabulary(
        open_sources(list(parts)), OPTIONS, n_genes=n_genes, names=names, progress=False
    )


def genes(first, last):
    return [f"GENE{k}" for k in range(first, last)]


def test_genes_of_all_files_are_joined_by_name():
    found = learn(cells(genes(0, 30)), cells(genes(20, 50), seed=1))
    assert list(found.genes.ids) == genes(0, 50)
    assert found.weight.sum() == pytest.approx(1)
    shared = found.weight[20:30]
    assert shared.min() > 1.5 * np.delete(found.weight, range(20, 30)).max()


def test_the_most_variable_are_chosen():
    one, two = cells(genes(0, 300)), cells(genes(10, 310), seed=1)
    rng = np.random.default_rng(2)
    for part, lively in ((one, "GENE20"), (two, "GENE70")):
        dense = part.X.toarray()
        at = part.var_names.get_loc(lively)
        dense[:, at] = rng.poisson(3 * rng.gamma(0.5, 2.0, part.n_obs))
        part.X = sp.csr_matrix(dense)
    found = learn(one, two, n_genes=20)
    assert len(found) == 20
    assert {"GENE20", "GENE70"} <= set(found.genes.ids)


def test_a_file_of_other_genes_has_its_say():
    """Three files of one species do not crowd out a smaller one of another."""
    many = [cells(genes(0, 200), seed=k) for k in range(3)]
    found = learn(*many, cells([f"Abc{k}" for k in range(60)], seed=9), n_genes=80)
    n_other = sum(name.startswith("Abc") for name in found.genes.ids)
    assert 15 <= n_other <= 45
    assert len(found) == 80


def test_a_gene_that_no_cell_expresses_is_left_out():
    part = cells(genes(0, 10))
    dense = part.X.toarray()
    dense[:, 3] = 0
    part.X = sp.csr_matrix(dense)
    assert "GENE3" not in set(learn(part).genes.ids)


def test_the_same_files_give_the_same_vocabulary_whatever_their_scale():
    counts = cells(genes(0, 40))
    logged = counts.copy()
    depth = np.asarray(counts.X.sum(axis=1))
    logged.X = sp.csr_matrix(np.log1p(1e4 * counts.X.toarray() / depth).astype(np.float32))
    one, two = learn(counts, n_genes=15), learn(logged, n_genes=15)
    assert list(one.genes.ids) == list(two.genes.ids)
    np.testing.assert_array_equal(one.weight, two.weight)


def test_it_comes_back_from_its_table():
    found = learn(cells(genes(0, 20)))
    again = Vocabulary.from_frame(found.to_frame())
    assert list(again.genes.ids) == list(found.genes.ids)
    np.testing.assert_array_equal(again.weight, found.weight)


def test_given_genes_are_taken_as_they_are():
    wanted = ["GENE7", "GENE2", "ELSEWHERE1"]
    found = learn(cells(genes(0, 20)), names=wanted)
    assert list(found.genes.ids) == wanted
    assert (found.weight > 0).all()


def test_unknown_genes_are_counted_and_named():
    known = learn(cells(genes(0, 20)))
    bound = known.bind(open_source(cells(genes(15, 40))), OPTIONS)
    told = genes_known(bound)
    assert told["n_genes"] == 25
    assert told["n_genes_known"] == told["n_vocabulary_measured"] == 5
    assert told["unknown_examples"] == genes(20, 25)
    assert told["weight_measured"] == pytest.approx(known.weight[15:].sum())


def test_no_overlap_is_an_error_with_examples_of_both_sides():
    known = learn(cells(genes(0, 20)))
    with pytest.raises(GeneMismatchError, match=r"GENE0.*Abc1") as error:
        known.bind(open_source(cells([f"Abc{k}" for k in range(1, 9)])), OPTIONS)
    assert "vocabulary" in str(error.value)


def test_files_that_name_genes_differently_are_an_error():
    other = cells([f"ENSG{k:011d}" for k in range(20)])
    with pytest.raises(GeneMismatchError, match="no column of `var` holds the other kind"):
        learn(cells(genes(0, 20)), other)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["GENE1", "GENE2", "GENE1"], "'GENE1' twice"),
        (["GENE1", " ", "GENE2"], "an empty name"),
        (["GENE1"], "at least 2"),
        ([], "at least 2"),
    ],
)
def test_given_genes_that_cannot_be_are_an_error(names, said):
    with pytest.raises(InputError, match=said):
        learn(cells(genes(0, 20)), names=names)


def test_cells_that_express_one_gene_at_most_are_an_error():
    part = cells(genes(0, 20))
    part.X = sp.csr_matrix(np.eye(80, 20, dtype=np.float32))
    with pytest.raises(EmptyInputError, match="expresses two genes"):
        learn(part)
