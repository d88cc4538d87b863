"""Real cells: two blood atlases with different genes, and naming by Ensembl ids."""

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from atlash.config import InputConfig
from atlash.data.genes import merge_genes, read_gene_names
from atlash.data.normalize import Recipe, bind
from atlash.data.source import open_source
from atlash.errors import GeneMismatchError

SHARED = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="shared real data is not beside the checkout"),
]


def recipe_of(source):
    names = read_gene_names(source.var, source_name=source.name)
    total = sum(np.asarray(chunk.sum(axis=0)) for _, chunk in source.chunks(2000))
    features = np.sort(np.argsort(-total)[:2000]).astype(np.int32)
    return Recipe(merge_genes([names])[0], total / total.sum(), features)


def bound(recipe, cells, **options):
    return bind(recipe, open_source(cells), InputConfig(**options), weight=recipe.fraction)


def test_a_query_that_lacks_genes_keeps_the_scale_of_its_cells():
    """Cells with and without the missing genes get nearly the same input."""
    path = SHARED / "pbmc_cross.h5ad"
    recipe = recipe_of(open_source(path))
    kang = ad.read_h5ad(SHARED / "kang_pbmc_12k_1287g.h5ad", backed="r")
    cells = ad.read_h5ad(path)[:300]
    some = cells[:, np.isin(cells.var_names, kang.var_names)]
    with pytest.raises(GeneMismatchError, match="lower `min_shared`"):
        bound(recipe, some, min_shared=0.99)
    part = bound(recipe, some, min_shared=0.1)
    measured = part.measured_features
    whole = next(bound(recipe, cells).chunks(300)).X.toarray()[:, measured]
    found = next(part.chunks(300)).X.toarray()[:, measured]
    detected = whole > 0
    assert abs(np.median(found[detected] - whole[detected])) < 0.1


def test_ensembl_names_match_a_reference_with_both():
    source = open_source(SHARED / "kang_pbmc_12k_1287g.h5ad")
    recipe = recipe_of(source)
    by_symbol = next(bound(recipe, SHARED / "kang_pbmc_12k_1287g.h5ad").chunks(100)).X
    cells = ad.read_h5ad(SHARED / "kang_pbmc_12k_1287g.h5ad")[:100].copy()
    cells.var = cells.var[["ensembl"]].set_index("ensembl", drop=True)
    renamed = bound(recipe, cells)
    assert renamed.match.naming == ("var_names", "ensembl")
    assert renamed.match.weight_shared > 0.9
    difference = next(renamed.chunks(100)).X.toarray() - by_symbol.toarray()
    assert np.median(np.abs(difference)) < 0.01
