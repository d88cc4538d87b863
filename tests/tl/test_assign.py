"""``tl.assign``: cells put into clusters found before, as the estimator puts them."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import ClusterConfig, HashClusterer, InputConfig
from atlash.clustering.batch_labels import UnknownBatchesWarning
from atlash.errors import FileFormatError, GeneMismatchError, InputError, KeyNotFoundError
from atlash.keys import UNASSIGNED, ClusterKeys
from atlash.tl import assign, cluster

KEYS = ClusterKeys()
COLUMNS = [KEYS.cluster, KEYS.membership, KEYS.stability, KEYS.bucket]
QUIET = ClusterConfig(progress=False, n_threads=1)


@pytest.fixture(scope="module")
def fitted(atlas_counts):
    return HashClusterer(config=QUIET).fit(atlas_counts)


@pytest.fixture(scope="module")
def integrated(atlas_counts):
    return HashClusterer(config=QUIET).fit(atlas_counts, batch_key="batch")


@pytest.fixture
def fresh(fresh_counts):
    return fresh_counts.copy()


def test_columns_are_those_of_the_estimator(fitted, fresh):
    X = fresh.X.toarray()
    X[7] = 0
    fresh.X = sp.csr_matrix(X)
    assert assign(fresh, fitted) is None
    found = fitted.predict(fresh)
    labels = np.where(found.labels < 0, UNASSIGNED, found.labels.astype(str))
    np.testing.assert_array_equal(fresh.obs[KEYS.cluster].to_numpy(), labels)
    np.testing.assert_array_equal(fresh.obs[KEYS.membership], found.membership)
    np.testing.assert_array_equal(fresh.obs[KEYS.stability], found.stability)
    np.testing.assert_array_equal(fresh.obs[KEYS.bucket], found.bucket)
    np.testing.assert_array_equal(fresh.obsm[KEYS.embedding], np.nan_to_num(found.embedding))
    np.testing.assert_array_equal(fresh.obsm[KEYS.codes], found.codes)
    assert fresh.obs[KEYS.cluster].iloc[7] == UNASSIGNED
    kinds = fresh.obs["cell_type"].astype(str) + fresh.obs["batch"].astype(str)
    assert adjusted_rand_score(kinds, fresh.obs[KEYS.cluster]) > 0.9


def test_cells_learned_from_get_their_clusters(fitted, atlas_counts):
    whole = cluster(atlas_counts, config=QUIET, copy=True)
    again = assign(atlas_counts, fitted, copy=True)
    pd.testing.assert_frame_equal(again.obs[COLUMNS], whole.obs[COLUMNS])
    assert COLUMNS[0] not in atlas_counts.obs


def test_all_clusters_are_categories(fitted, fresh):
    some = fresh[fresh.obs["cell_type"] == fresh.obs["cell_type"].iloc[0]].copy()
    assign(some, fitted, key_added="mine")
    column = some.obs["mine_cluster"]
    assert list(column.cat.categories) == [*map(str, range(fitted.model_.n_clusters))]
    assert column.nunique() < fitted.model_.n_clusters
    assert not [name for part in (some.obs, some.obsm, some.uns) for name in part
                if "atlash" in name]  # fmt: skip


def test_a_saved_clusterer_by_its_folder(fitted, fresh, tmp_path):
    fitted.save(tmp_path / "kept")
    for folder in (tmp_path / "kept", str(tmp_path / "kept")):
        found = assign(fresh, folder, copy=True)
        expected = assign(fresh, fitted, copy=True)
        pd.testing.assert_frame_equal(found.obs, expected.obs)


def test_batches_reach_the_clusterer(integrated, fresh):
    assign(fresh, integrated, batch_key="batch")
    expected = integrated.predict(fresh, batch_key="batch")
    np.testing.assert_array_equal(fresh.obs[KEYS.bucket], expected.bucket)
    told = fresh.uns[KEYS.story]
    assert told["assigned"]["batch_key"] == "batch"
    assert told["integration"]["after"]["ilisi"] > told["integration"]["before"]["ilisi"]
    with pytest.warns(UnknownBatchesWarning, match="has brought 2 batches together"):
        assign(fresh, integrated)


def test_cells_are_read_as_those_learned_from_or_as_told(atlas_counts, fresh):
    kept = atlas_counts.copy()
    kept.layers["counts"] = kept.X.copy()
    kept.X = sp.csr_matrix(kept.shape, dtype=np.float32)
    learned = HashClusterer(config=ClusterConfig(progress=False, layer="counts")).fit(kept)
    with pytest.raises(KeyNotFoundError, match=r"no 'counts'; it has 'X'.*Try `layer='X'`"):
        assign(fresh, learned)
    plain = HashClusterer(config=QUIET).fit(atlas_counts)
    for inputs in (InputConfig(), InputConfig(layer="X", scale="counts")):
        found = assign(fresh, learned, inputs=inputs, copy=True)
        expected = assign(fresh, plain, copy=True)
        pd.testing.assert_frame_equal(found.obs, expected.obs)
    fresh.layers["counts"] = fresh.X
    pd.testing.assert_frame_equal(assign(fresh, learned, copy=True).obs, expected.obs)


@pytest.mark.parametrize("target", [1e4, 1e6])
@pytest.mark.parametrize("fitted_on", ["counts", "logarithm"])
def test_values_on_another_scale_are_not_moved_by_depth(atlas_counts, fresh, target, fitted_on):
    """Values that are no counts have lost their depth, so that nothing is taken off for it."""

    def logged(cells):
        other = cells.copy()
        other.X = sp.csr_matrix(np.log1p(target * cells.X / cells.X.sum(axis=1)))
        return other

    first, new = (atlas_counts, logged(fresh)) if fitted_on == "counts" else (
        logged(atlas_counts), fresh)  # fmt: skip
    learned = HashClusterer(config=QUIET).fit(first)
    assert (learned.model_.depth_effect is None) == (fitted_on == "logarithm")
    found = assign(new, learned, copy=True).obs[KEYS.cluster]
    assert adjusted_rand_score(assign(fresh, learned, copy=True).obs[KEYS.cluster], found) > 0.95
    kinds = fresh.obs["cell_type"].astype(str) + fresh.obs["batch"].astype(str)
    assert adjusted_rand_score(kinds, found) > 0.9


def test_what_is_written_can_be_read(integrated, fresh, tmp_path):
    assign(fresh, integrated, batch_key="batch", inputs=InputConfig(min_shared=0.25))
    fresh.write_h5ad(tmp_path / "out.h5ad")
    story = ad.read_h5ad(tmp_path / "out.h5ad").uns[KEYS.story]
    assert story["assigned"]["min_shared"] == 0.25
    assert "atlash_version" in story["assigned"]
    assert list(story["batches"]) == sorted(set(fresh.obs["batch"]))


def test_backed_cells_and_a_copy(fitted, fresh, tmp_path):
    fresh.write_h5ad(tmp_path / "in.h5ad")
    backed = ad.read_h5ad(tmp_path / "in.h5ad", backed="r")
    found = assign(backed, fitted, copy=True)
    pd.testing.assert_frame_equal(found.obs, assign(fresh, fitted, copy=True).obs)
    assert not found.isbacked


@pytest.mark.parametrize("given", [3, None, [], {}, b"x", np.ones(2), QUIET], ids=repr)
def test_clusterers_that_are_none(fresh, given):
    with pytest.raises(InputError, match=r"must be an atlash\.HashClusterer or the folder of one"):
        assign(fresh, given)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"batch_key": "batch"}, InputError, "this clusterer knows no batches"),
        ({"inputs": InputConfig(layer="lost")}, KeyNotFoundError, "no 'lost'"),
        ({"inputs": InputConfig(min_shared=2)}, InputError, "`min_shared` is 2"),
        ({"inputs": InputConfig(chunk_size=0)}, InputError, "`chunk_size` is 0"),
        ({"inputs": InputConfig(scale="raw")}, InputError, "`scale` is 'raw'"),
        ({"inputs": "counts"}, InputError, "`inputs` is 'counts'"),
        ({"key_added": "a/b"}, InputError, "`key_added` is 'a/b'"),
        ({"copy": "no"}, InputError, "`copy` is 'no'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_error_leaves_no_trace(fitted, fresh, how, error, *, message):
    before = fresh.copy()
    with pytest.raises(error, match=message):
        assign(fresh, fitted, **how)
    pd.testing.assert_frame_equal(fresh.obs, before.obs)
    assert [len(part) for part in (fresh.obsm, fresh.obsp, fresh.uns)] == [0, 0, 0]


def test_what_cannot_be_put_into_clusters(fitted, fresh, tmp_path):
    with pytest.raises(InputError, match=r"holds no clusters yet. Call `fit`"):
        assign(fresh, HashClusterer())
    with pytest.raises(FileFormatError, match="holds no saved clusterer"):
        assign(fresh, tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "atlash encoder", "files": {}}')
    with pytest.raises(FileFormatError, match=r"clusterer: the format in .* is 'atlash encoder'"):
        assign(fresh, tmp_path)
    fresh.var_names = [f"other{n}" for n in range(fresh.n_vars)]
    with pytest.raises(GeneMismatchError):
        assign(fresh, fitted)
    with pytest.raises(InputError, match="Results are written to an AnnData"):
        assign("cells.h5ad", fitted)


def test_real_cells_left_out_get_the_clusters_of_their_types():
    scanpy = pytest.importorskip("scanpy", reason="these cells ship inside scanpy")
    with warnings.catch_warnings():  # the file is of an old anndata
        warnings.simplefilter("ignore")
        blood = scanpy.datasets.pbmc68k_reduced()
    left_out = np.arange(blood.n_obs) % 4 == 0
    options = ClusterConfig(progress=False, layer="raw")
    fitted = HashClusterer(config=options).fit(blood[~left_out])
    found = assign(blood[left_out].copy(), fitted, copy=True).obs
    assert adjusted_rand_score(found["bulk_labels"], found[KEYS.cluster]) > 0.35
    assert adjusted_rand_score(found["louvain"], found[KEYS.cluster]) > 0.5
