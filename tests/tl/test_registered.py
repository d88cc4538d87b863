"""Registered types, and cells that say nothing, in searches, audits and merges."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

from atlash.config import AnnotateConfig
from atlash.errors import InputError
from atlash.models.encode import EmptyCellsWarning
from atlash.reference.newcomers import UnknownTypesWarning
from atlash.tl import annotate, search

ODD = "odd cell"


def odd_cells(cells, rows, prefix):
    """Return cells that express what no known type does."""
    odd = cells[rows].copy()
    odd.X = odd.X[:, ::-1].copy()
    odd.obs_names = [f"{prefix}{place}" for place in range(odd.n_obs)]
    odd.obs["cell_type"] = ODD
    return odd


def without_counts(cells, n):
    nothing = cells[:n].copy()
    nothing.X = nothing.X.multiply(0).tocsr()
    nothing.obs_names = [f"nothing{place}" for place in range(n)]
    return nothing


@pytest.fixture(scope="module")
def taught(reference, fresh_counts, tmp_path_factory):
    """A reference with a registered type and cells of it; not to be changed."""
    path = tmp_path_factory.mktemp("taught") / "atlas.atlash"
    replace(reference).save(path)
    taught = type(reference).load(path)
    taught.register_type(ODD, odd_cells(fresh_counts, slice(20), "few"))
    taught.add(odd_cells(fresh_counts, slice(20, 80), "added"), "cell_type", progress=False)
    return taught


def test_the_anchor_of_a_hit_list_is_what_annotation_finds_nearest(taught, fresh_counts, quiet):
    queries = ad.concat([fresh_counts[:5], odd_cells(fresh_counts, slice(80, 140), "asking")])
    hits = search(queries, taught, 10, config=quiet())
    config = AnnotateConfig(progress=False)
    answered = annotate(queries, taught, config=config, copy=True)
    assert list(hits.labels) == list(answered.obs["atlash_nearest"].astype(str))
    assert (hits.labels[5:] == ODD).mean() > 0.9
    assert (hits.labels[:5] != ODD).all()
    assert hits.votes()["agrees"].mean() > 0.9


def test_an_audit_judges_by_what_was_learned(taught, reference):
    before, after = (each.audit().summary for each in (reference, taught))
    assert after["cells"] == before["cells"] + 60
    for name in ("midway", "mislabelled"):
        assert after[name] == before[name]


def test_a_merge_tells_of_labels_that_are_no_types(taught, reference, tmp_path):
    replace(reference).save(tmp_path / "plain.atlash")
    plain = type(reference).load(tmp_path / "plain.atlash")
    with pytest.warns(UnknownTypesWarning, match="not learned 'odd cell'"):
        plain.merge([taught], on_duplicate="keep")
    assert plain.index.cells.n_rows == taught.index.cells.n_rows


def test_cells_without_counts_have_no_anchor_and_a_warning(reference, fresh_counts, quiet):
    queries = ad.concat([fresh_counts[:2], without_counts(fresh_counts, 1), fresh_counts[3:6]])
    with pytest.warns(EmptyCellsWarning, match="1 of 6 cells have no counts"):
        hits = search(queries, reference, 4, config=quiet())
    assert [label is None for label in hits.labels] == [place == 2 for place in range(6)]
    agrees = hits.votes()["agrees"]
    assert list(agrees.isna()) == [place == 2 for place in range(6)]


def test_adding_cells_without_counts_warns(reference, fresh_counts):
    grown = replace(reference)
    with pytest.warns(EmptyCellsWarning, match="3 of 3 cells"):
        grown.add(without_counts(fresh_counts, 3), progress=False)


def test_hits_without_labels_neither_agree_nor_disagree(reference, fresh_counts, quiet):
    grown = replace(reference)
    more = fresh_counts[:30].copy()
    more.obs_names = [f"more{place}" for place in range(30)]
    del more.obs["cell_type"]
    grown.add(more, progress=False)
    hits = search(fresh_counts[:8], grown, 2, where="cell_id LIKE 'more%'", config=quiet())
    assert hits.votes()["agrees"].isna().all()
    assert search(fresh_counts[:8], grown, radius=0, where="cell_id NOT LIKE 'more%'",
                  config=quiet()).votes()["agrees"].isna().any()  # fmt: skip


@pytest.mark.parametrize(
    "name", [" B cell", "B cell ", "Unassigned", " unassigned ", "UNASSIGNED"]
)
def test_names_that_are_taken_but_for_blanks_and_case(taught, fresh_counts, name):
    with pytest.raises(InputError, match=r"already|no type"):
        replace(taught).register_type(name, odd_cells(fresh_counts, slice(20), "x"))


def test_blanks_around_a_name_are_left_out(reference, fresh_counts):
    grown = replace(reference)
    grown.register_type("  mast cell ", odd_cells(fresh_counts, slice(20), "x"))
    assert grown.types[-1] == "mast cell"
    assert np.isin("mast cell", list(grown.info()["types"]))
