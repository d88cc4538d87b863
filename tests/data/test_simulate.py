"""Drawn cells follow the parameters, and the parameters follow the cells they were fitted to."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats

from atlash.data.simulate import CountModel, _negative_binomial, fit, write_h5ad
from atlash.errors import (
    EmptyInputError,
    InvalidValuesError,
    KeyNotFoundError,
    LabelsError,
    OutputError,
)

N_GENES = 40


@pytest.fixture(scope="module")
def model() -> CountModel:
    """Two types in two batches, one of them in one batch only; known parameters."""
    rng = np.random.default_rng(0)
    types = rng.dirichlet(np.full(N_GENES, 2.0), size=2)
    return CountModel(
        genes=np.array([f"gene{i}" for i in range(N_GENES)]),
        groups=pd.DataFrame({"type": ["a", "a", "b"], "lab": ["x", "y", "x"]}, dtype="category"),
        weights=np.array([0.5, 0.3, 0.2]),
        proportions=types[[0, 0, 1]],
        dispersions=np.linspace(0.1, 1.0, N_GENES),
        log_depth_mean=np.log(np.array([400.0, 900.0, 400.0])),
        log_depth_deviation=np.array([0.3, 0.2, 0.3]),
    )


@pytest.fixture(scope="module")
def drawn(model: CountModel) -> ad.AnnData:
    chunks = list(model.draw(6_000, random_state=1, chunk_size=2_500))
    counts = sp.vstack([counts for counts, _ in chunks], format="csr")
    obs = pd.concat([obs for _, obs in chunks])
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=model.genes))


@pytest.mark.parametrize(
    ("mean", "dispersion"), [(0.05, 0.5), (2.0, 1e-6), (3.0, 2.0), (40.0, 0.8)]
)
def test_counts_are_negative_binomial(mean: float, dispersion: float) -> None:
    n_cells, depth = 20_000, 50.0
    proportions = np.array([mean / depth, 1 - mean / depth])
    drawn = _negative_binomial(
        np.full(n_cells, depth), proportions, np.full(2, dispersion), np.random.default_rng(3)
    )
    counts = drawn.toarray()[:, 0].astype(int)
    oracle = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    top = int(oracle.ppf(0.999)) + 1
    expected = np.append(oracle.pmf(np.arange(top)), oracle.sf(top - 1)) * n_cells
    observed = np.bincount(np.minimum(counts, top), minlength=top + 1)
    crowded = expected >= 5
    merged = [np.append(v[crowded], v[~crowded].sum()) for v in (observed, expected)]
    if merged[1][-1] == 0:
        merged = [v[:-1] for v in merged]
    assert stats.chisquare(merged[0], merged[1] * n_cells / merged[1].sum()).pvalue > 1e-3


def test_counts_follow_each_cells_own_depth() -> None:
    depth = np.tile([50.0, 500.0], 1_500)
    drawn = _negative_binomial(
        depth, np.full(10, 0.1), np.full(10, 0.7), np.random.default_rng(0)
    ).toarray()
    for own in (50.0, 500.0):
        counts = drawn[depth == own]
        mean = own * 0.1
        assert counts.mean() == pytest.approx(mean, rel=0.03)
        assert counts.var() == pytest.approx(mean + 0.7 * mean**2, rel=0.08)


def test_drawn_cells_have_the_models_groups_and_depths(
    model: CountModel, drawn: ad.AnnData
) -> None:
    share = drawn.obs.groupby(["type", "lab"], observed=True).size() / drawn.n_obs
    assert share.to_dict() == pytest.approx(
        {("a", "x"): 0.5, ("a", "y"): 0.3, ("b", "x"): 0.2}, abs=0.02
    )
    depth = np.asarray(drawn.X.sum(axis=1)).ravel()
    assert np.median(depth[drawn.obs["lab"] == "y"]) == pytest.approx(900, rel=0.05)
    assert np.median(depth[drawn.obs["lab"] == "x"]) == pytest.approx(400, rel=0.05)


def test_fit_recovers_the_parameters(model: CountModel, drawn: ad.AnnData) -> None:
    again = fit(drawn, labels_key="type", batch_key="lab")
    pd.testing.assert_frame_equal(again.groups, model.groups)
    np.testing.assert_allclose(again.weights, model.weights, atol=0.02)
    np.testing.assert_allclose(again.proportions, model.proportions, rtol=0.15, atol=5e-4)
    np.testing.assert_allclose(again.dispersions, model.dispersions, rtol=0.3, atol=0.03)
    np.testing.assert_allclose(again.log_depth_mean, model.log_depth_mean, atol=0.08)


def test_small_groups_borrow_from_their_type(model: CountModel) -> None:
    cells = next(model.draw(400, random_state=0))
    adata = ad.AnnData(cells[0], obs=cells[1], var=pd.DataFrame(index=model.genes))
    rare = np.flatnonzero((adata.obs["type"] == "a") & (adata.obs["lab"] == "y"))[1:]
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), rare)]
    fitted = fit(adata, labels_key="type", batch_key="lab")
    own, sibling, other = fitted.proportions
    assert np.abs(own - sibling).sum() < np.abs(own - other).sum() / 3
    np.testing.assert_allclose(fitted.proportions.sum(axis=1), 1)


def test_genes_that_are_silent_stay_silent(drawn: ad.AnnData) -> None:
    cells = drawn[:500].copy()
    dense = cells.X.toarray()
    dense[:, 7] = 0
    cells.X = dense
    counts, _ = next(fit(cells, labels_key="type").draw(1_000))
    assert counts[:, [7]].sum() == 0


def test_no_cell_is_copied(drawn: ad.AnnData) -> None:
    real = {row.tobytes() for row in drawn.X.toarray()}
    counts, _ = next(fit(drawn, labels_key="type", batch_key="lab").draw(500))
    assert not real & {row.tobytes() for row in counts.toarray()}


def test_seed_decides_everything(model: CountModel) -> None:
    first, second, other = (
        list(model.draw(700, random_state=seed, chunk_size=300)) for seed in (5, 5, 6)
    )
    assert [counts.shape[0] for counts, _ in first] == [300, 300, 100]
    for (one, obs_one), (two, obs_two) in zip(first, second, strict=True):
        assert (one != two).nnz == 0
        pd.testing.assert_frame_equal(obs_one, obs_two)
    assert (first[0][0] != other[0][0]).nnz > 0


def test_chunks_are_canonical_float32(model: CountModel) -> None:
    names: list[str] = []
    for counts, obs in model.draw(900, chunk_size=400):
        assert counts.format == "csr"
        assert counts.dtype == np.float32
        assert counts.has_canonical_format
        assert counts.data.min() >= 1
        names.extend(obs.index)
    assert len(set(names)) == 900


def test_zero_cells_give_no_chunk(model: CountModel) -> None:
    assert list(model.draw(0)) == []


def test_written_file_holds_what_is_drawn(model: CountModel, tmp_path) -> None:
    path = tmp_path / "cells.h5ad"
    write_h5ad(path, model, 1_000, random_state=2, chunk_size=300)
    read = ad.read_h5ad(path)
    chunks = list(model.draw(1_000, random_state=2, chunk_size=300))
    np.testing.assert_array_equal(
        read.X.toarray(), sp.vstack([counts for counts, _ in chunks]).toarray()
    )
    expected = pd.concat([obs for _, obs in chunks])
    pd.testing.assert_frame_equal(read.obs, expected, check_index_type=False)
    assert list(read.var_names) == list(model.genes)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


@pytest.mark.parametrize("as_stored", [np.asarray, sp.csc_matrix, sp.csr_array])
def test_fit_takes_any_storage(drawn: ad.AnnData, as_stored) -> None:
    cells = drawn[:300].copy()
    plain = fit(cells, labels_key="type")
    cells.X = as_stored(cells.X.toarray())
    np.testing.assert_allclose(fit(cells, labels_key="type").proportions, plain.proportions)


def test_empty_cells_are_left_out(drawn: ad.AnnData) -> None:
    cells = drawn[:300].copy()
    dense = cells.X.toarray()
    dense[:10] = 0
    cells.X = dense
    np.testing.assert_allclose(
        fit(cells, labels_key="type").proportions,
        fit(cells[10:], labels_key="type").proportions,
    )


def test_dispersion_is_that_of_the_groups_not_of_their_differences(model: CountModel) -> None:
    poisson = replace(model, dispersions=np.full(N_GENES, 1e-6))
    counts, obs = next(poisson.draw(2_000))
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=model.genes))
    assert fit(cells, labels_key="type", batch_key="lab").dispersions.max() < 0.03


@pytest.mark.parametrize("keys", [("type", "donor"), ("kind", None)])
def test_a_missing_column_is_named(drawn: ad.AnnData, keys: tuple[str, str | None]) -> None:
    missing = keys[1] or keys[0]
    with pytest.raises(KeyNotFoundError, match=missing):
        fit(drawn, labels_key=keys[0], batch_key=keys[1])


def test_cells_without_counts_are_refused(drawn: ad.AnnData) -> None:
    cells = drawn[:5].copy()
    cells.X = np.zeros(cells.shape, np.float32)
    with pytest.raises(EmptyInputError, match="5 cells"):
        fit(cells, labels_key="type")


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_values_that_are_no_counts_are_refused(drawn: ad.AnnData, bad: float) -> None:
    cells = drawn[:5].copy()
    dense = cells.X.toarray()
    dense[2, 3] = bad
    cells.X = dense
    with pytest.raises(InvalidValuesError, match="Counts"):
        fit(cells, labels_key="type")


def test_a_file_of_no_cells(model: CountModel, tmp_path) -> None:
    write_h5ad(tmp_path / "none.h5ad", model, 0)
    found = ad.read_h5ad(tmp_path / "none.h5ad")
    assert found.shape == (0, N_GENES)
    assert list(found.obs.columns) == ["type", "lab"]


def test_what_cannot_be_written_leaves_nothing(model: CountModel, tmp_path) -> None:
    with pytest.raises(ValueError, match="Probabilities"):
        write_h5ad(tmp_path / "a.h5ad", replace(model, weights=model.weights / 2), 10)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="there is no folder"):
        write_h5ad(tmp_path / "nowhere" / "a.h5ad", model, 10)


def test_cells_without_a_type_are_refused(drawn: ad.AnnData) -> None:
    """They were a type of their own, called None."""
    cells = drawn[:100].copy()
    cells.obs["type"] = cells.obs["type"].astype(object).where(np.arange(100) > 2, None)
    with pytest.raises(LabelsError, match="3 of 100 cells have no 'type'"):
        fit(cells, labels_key="type")


def test_one_column_is_not_both(drawn: ad.AnnData) -> None:
    with pytest.raises(LabelsError, match="are both 'type'"):
        fit(drawn, labels_key="type", batch_key="type")


def test_a_fit_needs_x(drawn: ad.AnnData) -> None:
    with pytest.raises(KeyNotFoundError, match="has no X"):
        fit(ad.AnnData(obs=drawn.obs, var=drawn.var), labels_key="type")
