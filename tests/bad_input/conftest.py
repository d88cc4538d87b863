"""Both ways in which cells enter: building a reference and annotating."""

from __future__ import annotations

import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.reference import Reference
from atlash.tl import annotate
from atlash.tl.annotate import Request, annotate_cells


@pytest.fixture(params=["build", "annotate"])
def use(request, tiny):
    """Use cells in one of the two ways; annotating checks that errors leave no trace."""

    def build(cells, layer=None, gene_column=None):
        return Reference.build(
            cells, "cell_type", "batch", layer=layer, gene_column=gene_column, config=tiny
        )

    reference = request.getfixturevalue("reference")
    config = AnnotateConfig(progress=False, n_threads=1)

    def label(cells, layer=None, gene_column=None):
        if not hasattr(cells, "obsm"):
            return annotate_cells(cells, reference, Request(layer, gene_column, config=config))
        columns = list(cells.obs)
        try:
            annotate(cells, reference, layer=layer, gene_column=gene_column, config=config)
        except Exception:
            assert list(cells.obs) == columns
            assert not cells.obsm
            assert not cells.uns
            raise
        return cells

    return {"build": build, "annotate": label}[request.param]


@pytest.fixture
def spoilt(atlas):
    """Return the atlas with one value changed, that of gene GENE8 in the sixth cell."""

    def change(value):
        X = atlas.X.toarray()
        X[5, 7] = value
        atlas.X = type(atlas.X)(X)
        return atlas

    return change


@pytest.fixture
def rng():
    return np.random.default_rng(0)
