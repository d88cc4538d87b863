"""``tl.cluster``: what is written, that nothing else is, and real cells."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import HashClusterer
from atlash.config import ClusterConfig
from atlash.errors import InputError, KeyNotFoundError, ScaleError
from atlash.keys import UNASSIGNED, ClusterKeys
from atlash.tl import cluster
from atlash.tl.cluster import summarise

KEYS = ClusterKeys()
COLUMNS = [KEYS.cluster, KEYS.membership, KEYS.stability, KEYS.bucket]


@pytest.fixture(scope="module")
def options():
    def make(**changes):
        return ClusterConfig(**({"progress": False, "n_threads": 1} | changes))

    return make


@pytest.fixture(scope="module")
def holed(atlas_counts):
    """Cells of which two have no counts."""
    X = atlas_counts.X.toarray()
    X[[3, 100]] = 0
    cells = atlas_counts.copy()
    cells.X = sp.csr_matrix(X)
    return cells


@pytest.fixture(scope="module")
def clustered(holed, options):
    return cluster(holed, config=options(), copy=True)


@pytest.fixture(scope="module")
def estimator(holed, options):
    return HashClusterer(config=options()).fit(holed)


def test_columns_are_those_of_the_estimator(clustered, estimator):
    found, obs = estimator.clusters_, clustered.obs
    labels = np.where(found.labels < 0, UNASSIGNED, found.labels.astype(str))
    np.testing.assert_array_equal(obs[KEYS.cluster].to_numpy(), labels)
    np.testing.assert_array_equal(obs[KEYS.membership], found.membership)
    np.testing.assert_array_equal(obs[KEYS.stability], found.stability)
    np.testing.assert_array_equal(obs[KEYS.bucket], found.bucket)
    assert [str(obs[name].dtype) for name in COLUMNS] == [
        "category", "float32", "float32", "int32"
    ]  # fmt: skip
    places = np.nan_to_num(found.embedding)
    np.testing.assert_array_equal(clustered.obsm[KEYS.embedding], places)
    assert clustered.obsm[KEYS.embedding].dtype == np.float32


def test_clusters_are_ordered_by_size(clustered):
    column = clustered.obs[KEYS.cluster]
    names = list(column.cat.categories)
    assert names == [*map(str, range(len(names) - 1)), UNASSIGNED]
    sizes = column.value_counts(sort=False).to_numpy()
    assert (np.diff(sizes[:-1]) <= 0).all()
    assert sizes[-1] == 2
    assert column.iloc[[3, 100]].tolist() == [UNASSIGNED] * 2
    assert clustered.obs[KEYS.membership].iloc[[3, 100]].tolist() == [0, 0]


def test_without_empty_cells_nothing_is_unassigned(atlas, options):
    cluster(atlas, config=options())
    assert UNASSIGNED not in atlas.obs[KEYS.cluster].cat.categories


def test_the_graph_lies_as_scanpy_takes_it(clustered, estimator):
    scanpy = pytest.importorskip("scanpy")
    told = clustered.uns[KEYS.neighbors.parameters]
    weights = clustered.obsp[told["connectivities_key"]]
    distances = clustered.obsp[told["distances_key"]]
    assert weights.shape == distances.shape == (360, 360)
    assert weights.dtype == distances.dtype == np.float32
    assert (weights != weights.T).nnz == 0
    graph, rows = estimator.graph_
    np.testing.assert_array_equal(
        weights[rows][:, rows].toarray(), graph.weights.toarray().astype(np.float32)
    )
    assert weights[[3, 100]].nnz == distances[[3, 100]].nnz == 0
    places = clustered.obsm[KEYS.embedding].astype(float)
    edges = distances.tocoo()
    expected = np.linalg.norm(places[edges.row] - places[edges.col], axis=1)
    np.testing.assert_allclose(edges.data, expected, rtol=1e-4, atol=1e-4)
    assert set(np.diff(distances.indptr)) == {0, 39}
    with warnings.catch_warnings():  # of scanpy and igraph, about defaults to come
        warnings.simplefilter("ignore")
        scanpy.tl.leiden(clustered, neighbors_key=KEYS.neighbors.parameters, key_added="theirs",
                         flavor="igraph", n_iterations=2)  # fmt: skip
    some = clustered.obs[KEYS.cluster] != UNASSIGNED
    theirs, ours = clustered.obs["theirs"][some], clustered.obs[KEYS.cluster][some]
    assert adjusted_rand_score(theirs, ours) > 0.9


def test_the_story_is_told(clustered, estimator):
    story = clustered.uns[KEYS.story]
    assert story["settings"]["n_neighbors"] == 40
    assert story["random_state"] == 0
    assert len(story["curve"]["resolution"]) == len(story["curve"]["stability"]) == 8
    assert len(story["cluster_stability"]) == estimator.model_.n_clusters
    assert sum(story["seconds"].values()) > 0


def test_joins_are_told_by_columns(atlas, options):
    cluster(atlas, n_clusters=2, config=options())
    joined = atlas.uns[KEYS.story]["joined"]
    assert set(joined) == {"kept", "joined", "agreement", "distance", "p_value"}
    assert len(joined["p_value"]) == atlas.uns[KEYS.story]["n_before_joining"] - 2
    assert ((joined["p_value"] >= 0) & (joined["p_value"] <= 1)).all()


@pytest.mark.parametrize(
    ("n_clusters", "batch_key"), [("auto", None), (2, None), ("auto", "batch")]
)
def test_all_of_it_can_be_written_and_read(*, atlas, options, tmp_path, n_clusters, batch_key):
    cluster(atlas, n_clusters=n_clusters, batch_key=batch_key, config=options())
    atlas.write_h5ad(tmp_path / "out.h5ad")
    found = ad.read_h5ad(tmp_path / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs[COLUMNS], atlas.obs[COLUMNS])
    for key, value in atlas.obsp.items():
        assert (found.obsp[key] != value).nnz == 0
    story = found.uns[KEYS.story]
    assert story["n_clusters"] == n_clusters
    assert list(story["batches"]) == ([] if batch_key is None else sorted(set(atlas.obs["batch"])))
    assert ("integration" in story) == (batch_key is not None)
    if batch_key is not None:
        told = story["integration"]
        assert told["n_cells"] == atlas.n_obs
        assert told["before"]["ilisi"] < 0.2
        assert told["after"]["ilisi"] > 0.6
        assert 0.3 < told["kept_neighbours"] <= 1


def test_nothing_else_is_touched(holed, clustered):
    assert list(clustered.obs)[:2] == list(holed.obs)
    pd.testing.assert_frame_equal(clustered.obs[["cell_type", "batch"]], holed.obs)
    assert (clustered.X != holed.X).nnz == 0
    assert not [name for name in COLUMNS if name in holed.obs]
    assert [len(part) for part in (holed.obsm, holed.obsp, holed.uns)] == [0, 0, 0]


def test_in_place_as_in_a_copy(atlas, options):
    copy = cluster(atlas, config=options(), copy=True)
    assert cluster(atlas, config=options()) is None
    pd.testing.assert_frame_equal(atlas.obs, copy.obs)
    np.testing.assert_array_equal(atlas.obsm[KEYS.embedding], copy.obsm[KEYS.embedding])


def test_keys_of_ones_own(atlas, options):
    cluster(atlas, key_added="mine", config=options())
    assert "mine_cluster" in atlas.obs
    assert "X_mine" in atlas.obsm
    assert set(atlas.obsp) == {"mine_neighbors_connectivities", "mine_neighbors_distances"}
    assert not [key for part in (atlas.obs, atlas.obsm, atlas.uns) for key in part
                if "atlash" in key]  # fmt: skip


def test_clustering_again_replaces_what_was_written(atlas, options):
    cluster(atlas, n_clusters=5, config=options())
    cluster(atlas, n_clusters=2, config=options())
    assert list(atlas.obs[KEYS.cluster].cat.categories) == ["0", "1"]
    assert list(atlas.obs).count(KEYS.cluster) == 1


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"batch_key": "bach"}, KeyNotFoundError),
        ({"n_clusters": 1000}, InputError),
        ({"n_clusters": 0}, InputError),
        ({"resolution": -1.0}, InputError),
        ({"config": ClusterConfig(layer="cuonts", progress=False)}, KeyNotFoundError),
    ],
    ids=["batch", "too many clusters", "no cluster", "resolution", "layer"],
)
def test_an_error_leaves_no_trace(atlas, options, how, error):
    before = atlas.copy()
    with pytest.raises(error):
        cluster(atlas, **({"config": options()} | how))
    pd.testing.assert_frame_equal(atlas.obs, before.obs)
    assert [len(part) for part in (atlas.obsm, atlas.obsp, atlas.uns)] == [0, 0, 0]


def test_a_summary(estimator):
    found = summarise(estimator)
    assert found["cells"] == 360
    assert found["unassigned"] == 2
    assert sum(row["cells"] for row in found["clusters"]) == 358
    assert sum(row["share"] for row in found["clusters"]) == pytest.approx(358 / 360)
    assert [row["cluster"] for row in found["clusters"]] == [
        str(k) for k in range(found["n_clusters"])
    ]


@pytest.fixture(scope="module")
def blood():
    """The 700 blood cells of scanpy's wheel: log-normalised in ``raw``, scaled in ``X``."""
    scanpy = pytest.importorskip("scanpy", reason="these cells ship inside scanpy")
    with warnings.catch_warnings():  # the file is of an old anndata
        warnings.simplefilter("ignore")
        return scanpy.datasets.pbmc68k_reduced()


@pytest.fixture(scope="module")
def of_blood(blood, options):
    return cluster(blood, config=options(layer="raw"), copy=True)


def test_real_cells_get_clusters_like_their_types(of_blood):
    found = of_blood.obs[KEYS.cluster]
    assert 5 <= len(found.cat.categories) <= 14
    assert adjusted_rand_score(of_blood.obs["bulk_labels"], found) > 0.4
    assert adjusted_rand_score(of_blood.obs["louvain"], found) > 0.6


def test_real_cells_in_any_order_on_any_threads(blood, of_blood, options):
    order = np.random.default_rng(0).permutation(700)
    shuffled = blood[order].copy()
    cluster(shuffled, config=options(layer="raw", n_threads=2, chunk_size=99))
    pd.testing.assert_frame_equal(shuffled.obs[COLUMNS], of_blood.obs.iloc[order][COLUMNS])
    np.testing.assert_array_equal(
        shuffled.obsm[KEYS.embedding], of_blood.obsm[KEYS.embedding][order]
    )


def test_real_seeds_agree(blood, of_blood, options):
    other = cluster(blood, random_state=5, config=options(layer="raw"), copy=True)
    assert adjusted_rand_score(other.obs[KEYS.cluster], of_blood.obs[KEYS.cluster]) > 0.85


def test_real_scaled_values_are_refused(blood, options):
    with pytest.raises(ScaleError, match="looks scaled"):
        cluster(blood, config=options(), copy=True)
