"""New cells of known batches are moved as the cells learned from were."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from atlash import HashClusterer
from atlash.clustering.batch_labels import UnknownBatchesWarning
from atlash.errors import InputError, KeyNotFoundError

FIELDS = ("labels", "membership", "stability", "bucket", "embedding", "codes")


def draw(n_cells, seed):
    """Return three types in two batches, which differ by more than types do."""
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(3, size=n_cells), rng.integers(2, size=n_cells)
    mean = np.tile(np.random.default_rng(0).gamma(2, 0.5, 150), (n_cells, 1))
    for row, marked in enumerate(kind):
        mean[row, marked * 10 : (marked + 1) * 10] += 3
    mean[batch == 1, 40:90] *= 3
    mean[batch == 1, :10] += 12  # as if of the first type
    obs = pd.DataFrame(
        {"type": kind.astype(str), "batch": np.array(["b1", "b2"])[batch]},
        index=[f"cell{row}" for row in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"GENE{gene}" for gene in range(150)])
    return ad.AnnData(sp.csr_matrix(rng.poisson(mean).astype(np.float32)), obs=obs, var=var)


@pytest.fixture(scope="module")
def cells():
    return draw(400, 0)


@pytest.fixture(scope="module")
def brought_together(cells, quiet):
    """A clusterer fitted to the cells of both batches; not to be changed."""
    return HashClusterer(config=quiet()).fit(cells, batch_key="batch")


def test_training_cells_are_predicted_into_their_clusters(brought_together, cells):
    """To the bit with batches, and not without."""
    fitted = brought_together.clusters_
    assert adjusted_rand_score(cells.obs["type"], fitted.labels) > 0.95
    found = brought_together.predict(cells, batch_key="batch")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(fitted, name))
    with pytest.warns(UnknownBatchesWarning, match="'b1', 'b2'"):
        unmoved = brought_together.predict(cells)
    assert adjusted_rand_score(unmoved.labels, fitted.labels) < 0.7


def test_new_cells_each_by_itself(brought_together):
    new = draw(60, 1)
    found = brought_together.predict(new, batch_key="batch")
    assert adjusted_rand_score(new.obs["type"], found.labels) > 0.95
    for rows in ([3], [40, 7]):
        alone = brought_together.predict(new[rows].copy(), batch_key="batch")
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(alone, name), getattr(found, name)[rows])


def test_cells_of_unknown_batches_stay_and_are_told(brought_together, cells):
    some = cells[:6].copy()
    some.obs["batch"] = ["b1", "b9", "b2", "b8", "b1", "b9"]
    with pytest.warns(UnknownBatchesWarning, match=r"3 cells are of 2 batches .*'b8', 'b9'"):
        found = brought_together.predict(some, batch_key="batch")
    with pytest.warns(UnknownBatchesWarning):
        unmoved = brought_together.predict(some)
    stays = np.array([False, True, False, True, False, True])
    same = (found.embedding == unmoved.embedding).all(axis=1)
    np.testing.assert_array_equal(same, stays)


def test_cells_without_counts_stay_unassigned(brought_together, cells):
    some = cells[:3].copy()
    some.X = sp.csr_matrix(some.X.multiply(np.array([[0], [1], [1]], dtype=np.float32)))
    found = brought_together.predict(some, batch_key="batch")
    assert found.labels[0] == -1
    assert np.isnan(found.embedding[0]).all()
    np.testing.assert_array_equal(found.labels[1:], brought_together.clusters_.labels[1:3])
    nothing = cells[:2].copy()
    nothing.X = sp.csr_matrix(nothing.shape, dtype=np.float32)
    assert brought_together.predict(nothing, batch_key="batch").labels.tolist() == [-1, -1]


def test_offsets_are_saved_with_it(brought_together, cells, tmp_path):
    brought_together.save(tmp_path / "clusterer")
    loaded = HashClusterer.load(tmp_path / "clusterer")
    assert loaded.model_.batch_names == ("b1", "b2")
    found = loaded.predict(cells, batch_key="batch")
    np.testing.assert_array_equal(found.labels, brought_together.clusters_.labels)
    np.testing.assert_array_equal(found.embedding, brought_together.clusters_.embedding)


@pytest.mark.filterwarnings("ignore:.*which has one value for")
def test_one_batch_can_be_saved_and_predicted(cells, quiet, tmp_path):
    one = cells[cells.obs["batch"] == "b1"].copy()
    HashClusterer(config=quiet()).fit(one, batch_key="batch").save(tmp_path / "clusterer")
    loaded = HashClusterer.load(tmp_path / "clusterer")
    found = loaded.predict(one, batch_key="batch")
    plain = HashClusterer(config=quiet()).fit(one)
    np.testing.assert_array_equal(found.labels, plain.clusters_.labels)


def test_batches_that_cannot_be_used(brought_together, fitted, cells, atlas_counts):
    with pytest.raises(KeyNotFoundError, match=r"no column 'bach'.*Did you mean 'batch'"):
        brought_together.predict(cells, batch_key="bach")
    with pytest.raises(InputError, match=r"this clusterer knows no batches.*fitted without"):
        fitted.predict(atlas_counts, batch_key="batch")
