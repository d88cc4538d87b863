"""A reference that knows parents: built, saved, grown, searched and audited."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import atlash
from atlash.codes.hierarchical_anchors import measure_family
from atlash.config import AnnotateConfig, BuildConfig, SearchConfig
from atlash.errors import InputError, LabelsError
from atlash.keys import AnnotationKeys
from atlash.models.family import Family

KEYS = AnnotationKeys()
OF = {"B cell": "lymphocyte", "NK cell": "killer", "T cell": "lymphocyte"}
QUIET = AnnotateConfig(progress=False, n_threads=1)


@pytest.fixture(scope="module")
def labelled(atlas_counts):
    cells = atlas_counts.copy()
    cells.obs["lineage"] = [OF[name] for name in cells.obs["cell_type"]]
    return cells


@pytest.fixture(scope="module")
def config(tiny):
    return replace(tiny, train=replace(tiny.train, parent_bits=0.25))


@pytest.fixture(scope="module")
def built(labelled, config):
    """Shared: save and change ``replace(built)``."""
    keys = ["lineage", "cell_type"]
    return atlash.Reference.build(labelled, keys, "batch", config=config)


def answers(reference, cells):
    found = atlash.tl.annotate(cells, reference, config=QUIET, copy=True)
    return found.obs[[name for name in found.obs if name.startswith("atlash")]]


def test_it_knows_the_parent_of_each_type(built):
    assert built.info()["parents"] == OF
    assert built.meta["labels_key"] == "cell_type"
    assert built.meta["hierarchy"]["parent_key"] == "lineage"
    assert built.meta["training"]["parent_weight"] > 0


def test_its_anchors_follow_the_hierarchy(built):
    measured = measure_family(built.annotator.anchors, Family.of(built.annotator.parents).of_type)
    assert measured.max_sibling_distance < measured.min_stranger_distance
    for name, value in vars(measured).items():
        assert built.meta["hierarchy"][name] == value
    assert built.meta["learned"]["anchors"]["construction"] == "hierarchical"


def test_a_dict_gives_the_same_reference(built, labelled, config):
    config = replace(config, hierarchy=OF)
    other = atlash.Reference.build(labelled, "cell_type", "batch", config=config)
    assert other.fingerprint == built.fingerprint
    assert other.info()["parents"] == OF


def test_without_a_hierarchy_nothing_of_it_is_there(reference):
    assert reference.annotator.parents == ()
    assert not {"parents", "hierarchy"} & set(reference.info())
    assert "parent" not in reference._anchors()


def test_options_of_a_hierarchy_mean_nothing_without_one(reference, atlas_counts, tiny):
    train = replace(tiny.train, parent_weight=3.0, parent_bits=0.5)
    config = replace(tiny, train=train)
    other = atlash.Reference.build(atlas_counts, "cell_type", "batch", config=config)
    assert other.fingerprint == reference.fingerprint


def test_the_loss_alone_keeps_the_anchors_and_changes_the_encoder(reference, labelled, tiny):
    found = atlash.Reference.build(labelled, ["lineage", "cell_type"], "batch", config=tiny)
    np.testing.assert_array_equal(found.annotator.anchors, reference.annotator.anchors)
    assert found.fingerprint != reference.fingerprint
    train = replace(tiny.train, parent_weight=0.0)
    plain = atlash.Reference.build(
        labelled, ["lineage", "cell_type"], "batch", config=replace(tiny, train=train)
    )
    assert plain.fingerprint == reference.fingerprint


def test_too_few_bits_are_refused(labelled, tiny):
    config = BuildConfig(train=replace(tiny.train, n_bits=8, parent_bits=0.25), progress=False)
    with pytest.raises(InputError, match="Codes of 8 bits cannot hold parents"):
        atlash.Reference.build(labelled, ["lineage", "cell_type"], config=config)


def test_nothing_is_learned_from_a_broken_hierarchy(labelled, tiny):
    with pytest.raises(LabelsError, match="runs in a circle"):
        atlash.Reference.build(
            labelled,
            "cell_type",
            config=replace(tiny, hierarchy={"T cell": "x", "x": "T cell", "B cell": "y"}),
        )


def test_it_is_saved_and_loaded_with_its_parents(built, fresh_counts, tmp_path):
    path = tmp_path / "two.atlash"
    replace(built).save(path)
    loaded = atlash.Reference.load(path)
    assert loaded.annotator.parents == built.annotator.parents
    assert loaded.fingerprint == built.fingerprint
    assert loaded.info() == built.info()
    assert answers(loaded, fresh_counts).equals(answers(built, fresh_counts))
    (anchors,) = path.glob("anchors.*.parquet")
    assert pq.read_table(anchors)["parent"].to_pylist() == list(OF.values())


def test_the_parents_are_under_the_sums_of_the_manifest(built, tmp_path):
    path = tmp_path / "two.atlash"
    replace(built).save(path)
    (anchors,) = path.glob("anchors.*.parquet")
    table = pq.read_table(anchors)
    other = table.set_column(table.schema.get_field_index("parent"), "parent", [["killer"] * 3])
    pq.write_table(other, anchors)
    with pytest.raises(atlash.errors.ReferenceFileError, match=r"anchors\..*\.parquet"):
        atlash.Reference.load(path)


@pytest.fixture
def grown(built, tmp_path):
    """A copy on disk, to change."""
    path = tmp_path / "grown.atlash"
    replace(built).save(path)
    return atlash.Reference.load(path)


def new_type(cells, n=12):
    """Cells that express other genes than all types."""
    few = cells[:n].copy()
    X = few.X.toarray()
    X[:, 100:115] += np.random.default_rng(0).poisson(20, (n, 15))
    few.X = X.astype(np.float32)
    few.obs_names = [f"new{k}" for k in range(n)]
    return few


@pytest.mark.filterwarnings("ignore:.*can hardly be told")
@pytest.mark.parametrize(
    ("parent", "expected"),
    [(None, "mast cell"), ("lymphocyte", "lymphocyte"), ("mast cell", "mast cell")],
)
def test_a_registered_type_has_a_parent(grown, fresh_counts, parent, expected):
    before = answers(grown, fresh_counts)
    grown.register_type("mast cell", new_type(fresh_counts), parent=parent)
    again = atlash.Reference.load(grown.cells.folder.parent)
    for reference in (grown, again):
        assert reference.info()["parents"] == OF | {"mast cell": expected}
        assert reference.meta["registered"][-1]["parent"] == expected
    found = answers(again, new_type(fresh_counts[20:].copy()))
    taken = found[KEYS.nearest] == "mast cell"
    assert taken.mean() > 0.5
    assert (found[KEYS.parent][taken & (found[KEYS.status] == "assigned")] == expected).all()
    assert (found[KEYS.parent_confidence][taken] >= found[KEYS.confidence][taken]).all()
    after = answers(again, fresh_counts)
    same = after[KEYS.nearest] != "mast cell"
    for key in (KEYS.parent, KEYS.parent_confidence, KEYS.label, KEYS.status):
        np.testing.assert_array_equal(after[key][same].astype(object), before[key][same])


@pytest.mark.parametrize(
    ("name", "parent", "message"),
    [
        ("mast cell", "lymphocytes", "There is no parent 'lymphocytes'.*mean 'lymphocyte'"),
        ("mast cell", "T cell", "There is no parent 'T cell'"),
        ("killer", "lymphocyte", "'killer' is a parent, so it cannot be a type of 'lymphocyte'"),
        ("T cell", "lymphocyte", "has a type 'T cell' already"),
    ],
)
def test_parents_that_do_not_fit_are_refused(grown, fresh_counts, name, parent, message):
    with pytest.raises(InputError, match=message):
        grown.register_type(name, new_type(fresh_counts), parent=parent)
    assert grown.version == 1


def test_a_parent_without_a_hierarchy_is_refused(reference, fresh_counts):
    with pytest.raises(InputError, match="this reference has no hierarchy"):
        replace(reference).register_type("x", new_type(fresh_counts), parent="lymphocyte")


def test_it_grows_and_is_merged(grown, built, fresh_counts):
    new = fresh_counts[:20].copy()
    new.obs_names = [f"new{k}" for k in range(20)]
    expected = answers(built, fresh_counts)
    grown.add(new, "cell_type", n_threads=1, progress=False)
    other = replace(built)
    other.merge([grown], on_duplicate="keep")
    for reference in (grown, other):
        assert reference.meta["n_cells"] == 380
        assert reference.info()["parents"] == OF
        assert answers(reference, fresh_counts).equals(expected)


def test_it_is_searched_and_audited(built, fresh_counts):
    config = SearchConfig(progress=False, n_threads=1)
    hits = atlash.tl.search(fresh_counts[:10].copy(), built, 5, config=config)
    assert len(hits.to_pandas()) == 50
    assert set(hits.votes("lineage")["vote"]) <= {"lymphocyte", "killer"}
    assert built.audit().summary
