"""What annotating with a hierarchy writes, to AnnData and to the summary."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import atlash
from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.tl import annotate
from atlash.tl.annotate import Request, annotate_cells

KEYS = AnnotationKeys()
OF = {"B cell": "lymphocyte", "NK cell": "killer", "T cell": "lymphocyte"}
NEW = [KEYS.parent, KEYS.parent_confidence]


def options(**changes):
    return AnnotateConfig(**({"progress": False, "n_threads": 1} | changes))


@pytest.fixture(scope="module")
def two_levels(atlas_counts, tiny):
    cells = atlas_counts.copy()
    cells.obs["lineage"] = pd.Categorical([OF[name] for name in cells.obs["cell_type"]])
    return atlash.Reference.build(cells, ["lineage", "cell_type"], "batch", config=tiny)


@pytest.fixture(scope="module")
def doublets(fresh_counts):
    """Cells between B and T cells, which are siblings, and others."""
    kind = fresh_counts.obs["cell_type"].to_numpy()
    of_b, of_t = (fresh_counts[kind == name][:40] for name in ("B cell", "T cell"))
    mixed = ad.AnnData(of_b.X + of_t.X, var=fresh_counts.var)
    mixed.obs_names = [f"mixed{k}" for k in range(40)]
    return ad.concat([mixed, fresh_counts[:80]], merge="same")


def told(cells, reference, *, force=False, **changes):
    return annotate(cells, reference, force=force, config=options(**changes), copy=True)


def test_new_cells_get_their_parents(two_levels, fresh_counts):
    obs = told(fresh_counts, two_levels, force=True).obs
    wanted = fresh_counts.obs["cell_type"].astype(str).map(OF)
    assert (obs[KEYS.parent].astype(str) == wanted).mean() > 0.95


def test_without_a_hierarchy_there_are_no_such_columns(reference, fresh_counts):
    found = told(fresh_counts, reference)
    assert not set(NEW) & set(found.obs)
    assert list(found.obs[KEYS.status].cat.categories) == ["assigned", "unassigned"]
    assert "parents" not in found.uns["atlash"]


@pytest.mark.parametrize("copy", [False, True])
def test_those_of_an_earlier_annotation_go(two_levels, reference, fresh_counts, copy):
    cells = told(fresh_counts, two_levels)
    cells.obs["blood_parent"] = "kept"
    before = list(cells.obs)
    found = annotate(cells, reference, config=options(), copy=copy)
    assert set(before) - set(NEW) == set((found if copy else cells).obs)
    assert list(cells.obs) == before or not copy


def test_types_and_places_of_the_columns(two_levels, fresh_counts):
    found = told(fresh_counts, two_levels)
    obs = found.obs
    assert str(obs[KEYS.parent].dtype) == "category"
    assert str(obs[KEYS.parent_confidence].dtype) == "float32"
    assert obs[KEYS.parent_confidence].between(0, 1).all()
    written = set(obs) | set(found.obsm) | set(found.uns)
    properties = [k for k, v in vars(AnnotationKeys).items() if isinstance(v, property)]
    assert {getattr(KEYS, key) for key in properties} == written - {"cell_type", "batch"}
    columns = [name for name in obs if name.startswith("atlash")]
    assert columns[:4] == [KEYS.label, KEYS.confidence, *NEW]
    np.testing.assert_array_equal(found.uns["atlash"]["parents"], list(OF.values()))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("least", [0.0, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("changes", [{}, {"vote": "code"}, {"method": "hamming"}])
def test_no_two_answers_disagree(two_levels, doublets, force, least, changes):
    obs = told(doublets, two_levels, force=force, min_confidence=least, max_lost=0, **changes).obs
    label, parent = (obs[key].astype(str) for key in (KEYS.label, KEYS.parent))
    has_type = (obs[KEYS.status] == "assigned") | force
    assert (label[has_type].map(OF) == parent[has_type]).all()
    backed_off = (obs[KEYS.status] == "parent only") & ~has_type
    assert (label[backed_off] == parent[backed_off]).all()
    assert (obs[KEYS.parent_confidence][backed_off] >= least).all()
    assert (obs[KEYS.reason][backed_off] == "between types").all()
    rest = ~has_type & ~backed_off
    assert set(label[rest]) | set(parent[rest]) <= {"unassigned"}


def test_cells_between_siblings_keep_their_parent(two_levels, doublets):
    obs = told(doublets, two_levels, min_confidence=0.97, max_lost=0).obs
    backed_off = obs[KEYS.status] == "parent only"
    mixed = obs.index.str.startswith("mixed")
    assert backed_off[mixed].sum() > 5
    assert (obs[KEYS.label][mixed & backed_off] == "lymphocyte").all()
    assert backed_off[mixed].mean() > backed_off[~mixed].mean()


def test_cells_without_counts_have_no_parent(two_levels, fresh_counts):
    empty = fresh_counts[:3].copy()
    empty.X = 0 * empty.X
    obs = told(ad.concat([empty, fresh_counts[3:60]], merge="same"), two_levels).obs[:3]
    assert (obs[KEYS.parent] == "unassigned").all()
    assert (obs[KEYS.parent_confidence] == 0).all()


def test_a_cell_is_answered_without_its_company(two_levels, doublets):
    whole = told(doublets, two_levels).obs
    part = told(doublets[::3].copy(), two_levels).obs
    for key in (*NEW, KEYS.label, KEYS.status):
        np.testing.assert_array_equal(part[key].astype(object), whole[key][::3].astype(object))


@pytest.mark.parametrize("force", [False, True])
def test_the_summary_counts_both_levels(two_levels, doublets, force):
    request = Request(force=force, config=options(min_confidence=0.97, max_lost=0))
    found = annotate_cells(doublets, two_levels, request)
    obs, summary = found.obs, found.summary
    for key, level in ((KEYS.label, "labels"), (KEYS.parent, "parents")):
        counts = {row["label"]: row["cells"] for row in summary[level]}
        assert counts == obs[key].value_counts().to_dict()
    assert summary["parent_only"] == (obs[KEYS.status] == "parent only").sum() > 0
    unassigned = (obs[KEYS.status] == "unassigned").sum()
    assert sum(summary["unassigned"].values()) == unassigned
    for row in summary["parents"]:
        own = obs.loc[obs[KEYS.parent] == row["label"], KEYS.parent_confidence]
        assert row["median_confidence"] == pytest.approx(own.median(), abs=1e-4)


def test_it_is_written_to_files_and_read_again(two_levels, doublets, tmp_path):
    found = told(doublets, two_levels, min_confidence=0.97, max_lost=0)
    found.write_h5ad(tmp_path / "labelled.h5ad")
    again = ad.read_h5ad(tmp_path / "labelled.h5ad")
    for key in (*NEW, KEYS.label, KEYS.status):
        np.testing.assert_array_equal(again.obs[key].astype(object), found.obs[key].astype(object))
    np.testing.assert_array_equal(again.uns["atlash"]["parents"], found.uns["atlash"]["parents"])


def test_force_takes_the_nearest_type_of_the_likeliest_parent(two_levels, doublets):
    """What it is where the cell is assigned, and elsewhere a type of the likeliest parent."""
    free = told(doublets, two_levels, min_confidence=0.97, max_lost=0).obs
    forced = told(doublets, two_levels, min_confidence=0.97, max_lost=0, force=True).obs
    assigned = free[KEYS.status] == "assigned"
    columns = [KEYS.label, KEYS.parent]
    for key in columns:
        np.testing.assert_array_equal(
            forced[key][assigned].astype(object), free[key][assigned].astype(object)
        )
    backed_off = free[KEYS.status] == "parent only"
    np.testing.assert_array_equal(
        forced[KEYS.parent][backed_off].astype(object),
        free[KEYS.parent][backed_off].astype(object),
    )
    sure = forced[KEYS.confidence] > 0.5
    assert (forced[KEYS.label][sure].astype(str) == forced[KEYS.nearest][sure].astype(str)).all()
