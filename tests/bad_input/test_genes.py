"""Genes that do not match: both namings are shown, and the remedy fits the cause."""

import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.data.normalize import UnnamedGenesWarning
from atlash.errors import GeneMismatchError, KeyNotFoundError
from atlash.reference import Reference
from atlash.tl import annotate

HUMAN = [f"ENSG{number:011d}" for number in range(1, 301)]
MOUSE = [f"ENSMUSG{number:011d}" for number in range(1, 301)]
SYMBOLS = [f"GENE{number}" for number in range(1, 301)]
FROM_R = [f"HLA-GENE{number}" for number in range(1, 301)]


@pytest.fixture(scope="module")
def references(atlas_counts, tiny):
    """References whose genes are named in different ways."""

    def build(names):
        cells = atlas_counts.copy()
        cells.var_names = names
        return Reference.build(cells, "cell_type", "batch", config=tiny)

    return {"symbols": build(SYMBOLS), "ensembl": build(HUMAN), "dashes": build(FROM_R)}


@pytest.mark.parametrize(
    ("names", "against", "remedy"),
    [
        (["Gene" + name[4:] for name in SYMBOLS], "symbols", "mouse, the reference like human"),
        (MOUSE, "ensembl", "looks like mouse, the reference like human: use a reference of"),
        (HUMAN, "symbols", r"Put gene symbols in a column .* `var\['gene_symbols'\]`"),
        (SYMBOLS, "ensembl", r"Put Ensembl ids in a column .* `var\['gene_ids'\]`"),
        ([f"OTHER{k}" for k in range(300)], "symbols", "or lower `min_shared`"),
        ([str(k) for k in range(300)], "symbols", "name the column that has them"),
        ([n.replace("-", ".") for n in FROM_R], "dashes", r"come from R\. Restore the original"),
    ],
    ids=["mouse", "Ensembl mouse", "Ensembl", "symbols", "strangers", "numbers", "from R"],
)
def test_names_that_do_not_match(fresh_counts, references, names, against, remedy):
    cells = fresh_counts.copy()
    cells.var_names = names
    reference = references[against]
    told = r"X has 0 of the reference's 300 genes, with 0% of the weight; at least 50% is needed"
    with pytest.raises(GeneMismatchError, match=f"{told}.*{remedy}") as caught:
        annotate(cells, reference, config=AnnotateConfig(progress=False))
    assert repr(names[0]) in str(caught.value)
    assert repr(str(reference.annotator.recipe.genes.ids[0])) in str(caught.value)
    assert not cells.obsm


def test_an_overlap_below_the_floor_is_measured(fresh_counts, references):
    few = fresh_counts[:, 60:].copy()
    with pytest.raises(GeneMismatchError, match=r"240 of the reference's 300 .* at least 95%"):
        annotate(
            few, references["symbols"], config=AnnotateConfig(progress=False, min_shared=0.95)
        )


def test_a_choice_of_few_genes_is_not_taken_for_another_naming(fresh_counts, references):
    few = fresh_counts[:, :30].copy()
    told = r"30 of the query's 30 names are the reference's.* from before genes were chosen"
    with pytest.raises(GeneMismatchError, match=told) as caught:
        annotate(few, references["symbols"], config=AnnotateConfig(progress=False))
    assert "var_names" not in str(caught.value)


def test_a_gene_column_that_is_missing(use, atlas):
    atlas.var["symbol"] = SYMBOLS
    with pytest.raises(KeyNotFoundError, match=r"no column 'symbols'.*Try `gene_column='symbol'`"):
        use(atlas, gene_column="symbols")


def test_inputs_without_common_genes(atlas, tiny):
    other = atlas.copy()
    other.var_names = [f"OTHER{k}" for k in range(300)]
    with pytest.raises(GeneMismatchError, match=r"2 inputs have 0 genes in common, less than 50%"):
        Reference.build([atlas, other], "cell_type", config=tiny)


def test_inputs_named_in_two_ways(atlas, tiny):
    other = atlas.copy()
    other.var_names = HUMAN
    with pytest.raises(
        GeneMismatchError, match=r"like 'GENE1', .* like 'ENSG00000000001'.*Add one"
    ):
        Reference.build([atlas, other], "cell_type", config=tiny)


def test_inputs_that_share_enough_genes_are_joined(atlas, tiny):
    other = atlas[:, np.arange(40, 300)].copy()
    other.obs_names = [f"other{k}" for k in range(360)]
    built = Reference.build([atlas, other], "cell_type", config=tiny)
    assert built.info()["n_genes"] == 260
    assert built.meta["n_cells"] == 720


def test_no_input(tiny):
    with pytest.raises(ValueError, match="list of inputs is empty"):
        Reference.build([], "cell_type", config=tiny)


def test_genes_without_names_are_told_to_match_by_position(atlas_counts, fresh_counts, tiny):
    """In another order they would match as well, and every label would be nonsense."""
    atlas, cells = atlas_counts.copy(), fresh_counts.copy()
    atlas.var_names = cells.var_names = [str(number) for number in range(300)]
    told = r"The genes of the AnnData, X have no names but their numbers .*Set `adata.var_names`"
    with pytest.warns(UnnamedGenesWarning, match=told):
        reference = Reference.build(atlas, "cell_type", "batch", config=tiny)
    with pytest.warns(UnnamedGenesWarning, match=told):
        annotate(cells, reference, config=AnnotateConfig(progress=False))


def test_names_that_are_numbers_but_no_positions(atlas_counts, tiny):
    """Entrez ids; warnings are errors here."""
    atlas = atlas_counts.copy()
    atlas.var_names = [str(number) for number in range(1, 301)]
    assert Reference.build(atlas, "cell_type", "batch", config=tiny).info()["n_genes"] == 300
