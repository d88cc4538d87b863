"""The estimator: input at the edge of what can be clustered, and beyond."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash import ClusterConfig, HashClusterer
from atlash.config import AttentionConfig, LearnConfig
from atlash.data.normalize import UnnamedGenesWarning
from atlash.errors import (
    EmptyInputError,
    InputError,
    InvalidValuesError,
    KeyNotFoundError,
    ScaleError,
)


@pytest.mark.parametrize("n", [1, 2, 49])
def test_too_few_cells(cluster, counts, n):
    with pytest.raises(InputError, match=rf"has {n} cells.*at least 50"):
        cluster(counts[:n])


def test_fifty_cells_are_enough(cluster, counts, sizes):
    found = cluster(counts[:50])
    assert 1 <= found.model_.n_clusters < 10
    assert sum(sizes(found)) == 50


def test_cells_without_counts_are_unassigned(cluster, counts, same):
    X = counts.copy()
    empty = np.arange(0, 360, 9)
    X[empty] = 0
    found = cluster(X)
    alone = cluster(np.delete(X, empty, axis=0))
    told = found.clusters_
    assert set(told.labels[empty]) == {-1}
    assert set(told.bucket[empty]) == {-1}
    assert not told.membership[empty].any()
    assert not told.stability[empty].any()
    assert np.isnan(told.embedding[empty]).all()
    same(alone.clusters_, told, np.setdiff1d(np.arange(360), empty))
    with pytest.warns(UnnamedGenesWarning, match="matched by position"):
        same(found.predict(ad.AnnData(X)), told)
    assert found.graph_[0].weights.shape == (320, 320)


def test_no_cell_with_counts(cluster):
    with pytest.raises(EmptyInputError, match=r"None of the 80 cells .* has counts"):
        cluster(np.zeros((80, 30), dtype=np.float32))


def test_too_few_cells_with_counts(cluster, counts):
    X = counts.copy()
    X[:340] = 0
    with pytest.raises(InputError, match=r"Only 20 of the 360 cells .* have counts"):
        cluster(X)


@pytest.mark.parametrize("n_genes", [200, 300])
def test_constant_genes(cluster, counts, n_genes, sizes):
    X = counts.copy()
    X[:, :n_genes] = 1
    found = cluster(X)
    assert sum(sizes(found)) == 360
    assert np.isfinite(found.clusters_.embedding).all()
    if n_genes == 300:
        assert sizes(found) == [360]


def test_identical_cells_are_one_cluster(cluster, counts, sizes):
    found = cluster(np.repeat(counts[:1], 80, axis=0))
    assert sizes(found) == [80]
    assert found.clusters_.membership.min() == found.clusters_.stability.min() == 1
    assert len(found.model_.centres) == 1


def test_hardly_any_genes(cluster, counts, sizes):
    for n in (1, 2, 5):
        found = cluster(counts[:, :n])
        assert sum(sizes(found)) == (counts[:, :n].sum(axis=1) > 0).sum()


@pytest.mark.filterwarnings("ignore:`batch_key` is 'lab', which has")
def test_a_batch_with_one_cell_and_batches_of_one(cluster, atlas, sizes):
    for batches in (["x"] + ["y"] * 359, [str(k) for k in range(360)], ["x"] * 360):
        atlas.obs["lab"] = batches
        found = cluster(atlas, batch_key="lab")
        assert sum(sizes(found)) == 360
        assert np.isfinite(found.clusters_.embedding).all()


def test_more_clusters_than_cells(cluster, counts):
    with pytest.raises(InputError, match="361 clusters are wanted of the 360 cells"):
        cluster(counts, 361)


def test_more_clusters_than_distinct_cells(cluster, counts, sizes):
    X = np.repeat(counts[:3], 40, axis=0)
    with pytest.raises(InputError, match="the 120 cells with counts lie at only 3 different"):
        cluster(X, 4)
    assert sizes(cluster(X, 3)) == [40, 40, 40]


def test_more_clusters_than_buckets(cluster, counts):
    with pytest.raises(InputError, match=r"41 clusters are wanted of 40 buckets.*n_buckets"):
        cluster(counts, 41, n_buckets=40)


def test_a_cluster_for_every_cell(cluster, counts, sizes):
    assert sizes(cluster(counts[:60], 60, n_runs=2)) == [1] * 60


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("store", [np.asarray, sp.csr_matrix])
def test_values_that_are_no_counts(cluster, atlas_counts, counts, value, store):
    X = counts.copy()
    X[5, 7] = value
    with pytest.raises(InvalidValuesError, match=r"'GENE8'.*row 5"):
        cluster(ad.AnnData(store(X), obs=atlas_counts.obs, var=atlas_counts.var))


def test_scaled_values(cluster, counts):
    logged = np.log1p(counts)
    with pytest.raises(ScaleError, match="looks scaled"):
        cluster((logged - logged.mean(axis=0)) / (logged.std(axis=0) + 1e-3))


def test_unknown_layers_and_batches(cluster, atlas):
    with pytest.raises(KeyNotFoundError, match="cuonts"):
        cluster(atlas, layer="cuonts")
    with pytest.raises(KeyNotFoundError, match=r"no column 'bach'.*Did you mean 'batch'"):
        cluster(atlas, batch_key="bach")
    with pytest.raises(KeyNotFoundError, match="symbols"):
        cluster(atlas, gene_column="symbols")


@pytest.mark.parametrize("missing", [None, np.nan])
def test_cells_without_a_batch(cluster, atlas, missing):
    atlas.obs["lab"] = pd.Series(["a"] * 7 + [missing] * 3 + ["b"] * 350, index=atlas.obs_names)
    with pytest.raises(InputError, match=r"3 cells have no value in .*, the first in row 7"):
        cluster(atlas, batch_key="lab")


@pytest.mark.parametrize("shape", [(0, 20), (60, 0)])
def test_no_cells_or_genes(cluster, shape):
    with pytest.raises(EmptyInputError):
        cluster(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("n_clusters", [0, -3, 2.5, "3", None, True, np.nan, "AUTO", [2]])
def test_numbers_of_clusters_that_are_none(n_clusters):
    with pytest.raises(InputError, match=r"`n_clusters` is .* whole number from 1"):
        HashClusterer(n_clusters)


@pytest.mark.parametrize("resolution", [0, -1.0, np.nan, np.inf, "1", [1.0], True])
def test_resolutions_that_are_none(resolution):
    with pytest.raises(InputError, match=r"`resolution` is .* above 0"):
        HashClusterer(resolution=resolution)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_seeds_that_are_none(seed):
    with pytest.raises(InputError, match=r"`random_state` is .* whole number from 0"):
        HashClusterer(random_state=seed)


def test_a_number_and_a_resolution():
    with pytest.raises(InputError, match="not both"):
        HashClusterer(3, resolution=1.0)


@pytest.mark.parametrize("option", ["n_genes", "n_neighbors", "n_buckets", "n_runs", "n_splits"])
def test_options_out_of_range(quiet, option):
    with pytest.raises(InputError, match=f"`{option}` is 0"):
        HashClusterer(config=quiet(**{option: 0}))


def test_more_neighbours_than_cells(cluster, counts, sizes):
    assert sum(sizes(cluster(counts[:60], n_neighbors=500))) == 60


def test_depth_alone_makes_no_clusters(cluster):
    """Cells of one kind that differ in depth by a factor of two and more stay together."""
    rng = np.random.default_rng(0)
    share = rng.gamma(0.5, size=300) + 0.01
    depth = 800 * np.exp(0.5 * rng.standard_normal((600, 1)))
    counts = rng.poisson(depth * share / share.sum()).astype(np.float32)
    names = [f"GENE{number}" for number in range(300)]
    cells = ad.AnnData(sp.csr_array(counts))
    cells.var_names = names
    assert cluster(cells).model_.n_clusters == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"chunk_size": 0}, "`chunk_size` is 0, but must be at least 1"),
        ({"refine_steps": -1}, "`refine_steps` is -1, but must be at least 0"),
        ({"least_agreement": np.nan}, "`least_agreement` is nan"),
        ({"least_agreement": 5}, "`least_agreement` is 5, but must be .* at most 1"),
        ({"min_shared": 3}, "`min_shared` is 3, but must be at least 0 and at most 1"),
        ({"min_shared": -0.5}, "`min_shared` is -0.5"),
        ({"least_distance": np.inf}, "`least_distance` is inf"),
        (
            {"attention": AttentionConfig("kernel", temperature=0)},
            "`temperature` is 0, .* above 0",
        ),
        ({"attention": AttentionConfig("kernel", temperature=-1.0)}, "`temperature` is -1.0"),
        ({"attention": AttentionConfig("kernel", block_size=0)}, "`block_size` is 0"),
        ({"attention": AttentionConfig("transformer", n_heads=0)}, "`n_heads` is 0"),
        ({"learn": LearnConfig(n_words=0)}, "`n_words` is 0, but must be at least 1"),
        ({"even_depth": "yes"}, "`even_depth` is 'yes'"),
        ({"learn": LearnConfig(n_steps=0)}, "`n_steps` is 0, but must be at least 1"),
        ({"learn": LearnConfig(batch_size=0)}, "`batch_size` is 0"),
        ({"learn": LearnConfig(learning_rate=np.nan)}, "`learning_rate` is nan, .* above 0"),
        ({"learn": LearnConfig(heads_weight=-1)}, "`heads_weight` is -1"),
    ],
    ids=repr,
)
def test_options_that_leave_nothing_to_do(options, told):
    with pytest.raises(InputError, match=told):
        HashClusterer(config=ClusterConfig(**options))


@pytest.mark.parametrize("what", ["obs", "var"])
def test_columns_that_are_there_twice(quiet, counts, what):
    """As after joining tables of metadata."""
    cells = ad.AnnData(counts[:100])
    cells.obs["lab"] = ["a", "b"] * 50
    cells.var["symbol"] = [f"GENE{place}" for place in range(cells.n_vars)]
    setattr(cells, what, pd.concat([getattr(cells, what)] * 2, axis=1))
    clusterer = HashClusterer(config=quiet(gene_column="symbol" if what == "var" else None))
    with pytest.raises(InputError, match="2 columns are called"):
        clusterer.fit(cells, batch_key="lab")
