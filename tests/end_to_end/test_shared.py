"""Shared real cells: across donors and studies, with genes missing and types unknown."""

from dataclasses import replace

import numpy as np
import pytest

from atlash.config import AnnotateConfig, BuildConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

pytestmark = pytest.mark.shared
KEYS = AnnotationKeys()
MYELOID = ["CD14+ Monocytes", "FCGR3A+ Monocytes", "Dendritic cells"]


def right(cells):
    return (cells.obs[KEYS.nearest].astype(str) == cells.obs["cell_type"].astype(str)).mean()


@pytest.fixture(scope="module")
def kang(shared):
    return shared("kang_pbmc_12k_1287g.h5ad")


@pytest.fixture(scope="module")
def donors(kang):
    """Whether each cell is of the first, held-out donor, and of three others."""
    batch = kang.obs["batch"].astype(str).to_numpy()
    names = sorted(set(batch))
    return batch == names[0], np.isin(batch, names[1:4])


@pytest.fixture(scope="module")
def new_donor(kang, donors, some):
    """Cells of a donor that no reference has seen."""
    return some(kang, donors[0], 80)


@pytest.fixture(scope="module")
def learn(kang, donors, some, quick):
    """Build a reference from three other donors, without some types."""

    def build(without=()):
        kept = donors[1] & ~kang.obs["cell_type"].isin(without).to_numpy()
        return Reference.build(some(kang, kept, 150), "cell_type", "batch", config=quick)

    return build


def test_a_new_donor(learn, new_donor, quiet):
    found = annotate(new_donor, learn(), config=quiet, copy=True)
    assert right(found) > 0.85
    assigned = (found.obs[KEYS.status] == "assigned").to_numpy()
    assert assigned.mean() > 0.8
    assert right(found[assigned]) >= right(found)


@pytest.fixture
def three_donors(kang, donors, some):
    return some(kang, donors[1], 150)


def test_cells_without_a_label_help_where_few_have_one(three_donors, new_donor, quick, quiet):
    """With five labelled cells of each type, genes and axes are better known from all cells."""
    cells = three_donors
    labels = cells.obs["cell_type"].astype(object)
    few = cells.obs.groupby("cell_type", observed=True).cumcount() < 5
    cells.obs["cell_type"] = labels.where(few, None)
    alone, helped = (
        annotate(
            new_donor,
            Reference.build(given, "cell_type", config=replace(quick, use_unlabelled=True)),
            config=quiet,
            copy=True,
        )
        for given in (cells[few].copy(), cells)
    )
    assert right(helped) > right(alone) + 0.03


@pytest.mark.parametrize("unknown", [MYELOID, ["B cells"]], ids=["myeloid", "B"])
def test_a_lineage_that_the_reference_lacks(learn, new_donor, quiet, unknown):
    """Such cells are left unassigned far more often than known ones are lost."""
    found = annotate(new_donor, learn(unknown), config=quiet, copy=True)
    unassigned = (found.obs[KEYS.status] == "unassigned").to_numpy()
    strange = found.obs["cell_type"].isin(unknown).to_numpy()
    assert unassigned[strange].mean() > unassigned[~strange].mean() + 0.2
    assert unassigned[~strange].mean() < 0.25


def test_a_type_whose_relatives_the_reference_has(kang, donors, quiet):
    """CD14 monocytes of a new donor are no confident other cells, with seven donors to learn from.

    The default options: what a quick encoder is sure of says little.
    """
    known = ~donors[0] & (kang.obs["cell_type"] != MYELOID[0]).to_numpy()
    reference = Reference.build(
        kang[known].to_memory(), "cell_type", "batch", config=BuildConfig(progress=False)
    )
    found = annotate(kang[donors[0]].to_memory(), reference, config=quiet, copy=True)
    strange = (found.obs["cell_type"] == MYELOID[0]).to_numpy()
    unassigned = (found.obs[KEYS.status] == "unassigned").to_numpy()
    assert unassigned[strange].mean() > unassigned[~strange].mean() + 0.2
    sure = ~unassigned & (found.obs[KEYS.confidence] > 0.9).to_numpy()
    assert sure[strange].mean() < 0.5 * sure[~strange].mean()


@pytest.fixture(scope="module")
def across_studies(shared, some, quick):
    """A reference of sorted cells, with ten times the genes of the query."""
    cross = shared("pbmc_cross.h5ad")
    cells = some(cross, np.ones(cross.n_obs, dtype=bool), 120)
    return Reference.build(cells, "cell_type", "batch", config=quick)


def test_a_query_that_measured_few_genes(across_studies, new_donor, quiet):
    """It is annotated sensibly where asked to, with what was measured written down."""
    config = AnnotateConfig(min_shared=0.05, progress=False)
    found = annotate(new_donor, across_studies, config=config, copy=True)
    told = found.uns[KEYS.provenance]["input"]
    assert 500 < told["n_genes_shared"] < 1287
    assert 0.05 < told["weight_shared"] < 0.9
    b_cells = found.obs["cell_type"].astype(str).str.startswith("B")
    assert b_cells.any()
    to_b = found.obs[KEYS.nearest].astype(str).str.startswith("B")
    assert to_b[b_cells].mean() > 0.8
    assert to_b[~b_cells].mean() < 0.1


def test_too_few_genes_are_refused_clearly(across_studies, new_donor, quiet):
    from atlash.errors import GeneMismatchError

    few = new_donor[:, :200].copy()
    with pytest.raises(GeneMismatchError, match=r"of the reference's 13,\d+ genes.*is needed"):
        annotate(few, across_studies, config=quiet)
    assert not few.obsm
