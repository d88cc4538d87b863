"""What a search finds, what it leaves out on request, and what it refuses."""
# ruff: noqa: PLR0917 (fixtures and parameters of a test)

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.codes.hamming import hamming
from atlash.config import AnnotateConfig
from atlash.errors import EmptyInputError, GeneMismatchError, InputError, KeyNotFoundError
from atlash.keys import AnnotationKeys
from atlash.reference.columns import LABEL, codes_of
from atlash.tl import annotate, search
from atlash.tl.search import FewerCellsWarning

RANKINGS = ["asymmetric", "code", "anchor-first"]
N_CELLS = 360


def same(one, other):
    """Raise unless two searches found the same, to the bit."""
    np.testing.assert_array_equal(one.queries, other.queries)
    np.testing.assert_array_equal(one.labels, other.labels)
    for name in ("bounds", "rows", "distances", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def by_query(hits):
    """Return what was found for each query by its name."""
    cuts = hits.bounds[1:-1]
    parts = [np.split(part, cuts) for part in (hits.rows, hits.distances, hits.scores)]
    found = zip(*parts, hits.labels, strict=True)
    return {
        name: [each.tolist() for each in answer[:3]] + [answer[3]]
        for name, answer in zip(hits.queries, found, strict=True)
    }


def is_within(hits, allowed):
    """Raise unless all that was found is allowed, and each cell is found at most once."""
    assert np.isin(hits.rows, allowed).all()
    pairs = set(zip(hits.query_of_hit.tolist(), hits.rows.tolist(), strict=True))
    assert len(pairs) == len(hits.rows)


@pytest.fixture
def distances(query, atlas_ref):
    """Bits between each query and each cell, by the codes that annotating writes."""
    config = AnnotateConfig(progress=False, n_threads=1)
    known = annotate(query, atlas_ref, config=config, copy=True)
    return hamming(known.obsm[AnnotationKeys().codes], codes_of(atlas_ref.cells))


@pytest.mark.parametrize("k", [1, 7, np.int64(50), N_CELLS])
def test_the_nearest_by_code_are_those_of_sorting(query, atlas_ref, quiet, distances, k):
    hits = search(query, atlas_ref, k, config=quiet(ranking="code"))
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(hits.rows, order.ravel())
    np.testing.assert_array_equal(
        hits.distances, np.take_along_axis(distances, order, axis=1).ravel()
    )
    assert len(hits) == query.n_obs


@pytest.mark.parametrize("ranking", RANKINGS)
def test_every_ranking_tells_true_distances(query, atlas_ref, quiet, distances, ranking):
    hits = search(query, atlas_ref, 20, config=quiet(ranking=ranking))
    np.testing.assert_array_equal(hits.distances, distances[hits.query_of_hit, hits.rows])
    assert hits.info["ranking"] == ranking
    for part in np.split(hits.scores, hits.bounds[1:-1]):
        assert (np.diff(part) >= 0).all()


def test_neighbours_are_of_the_querys_type(fresh_counts, atlas_ref, quiet):
    hits = search(fresh_counts, atlas_ref, 10, config=quiet())
    own = fresh_counts.obs["cell_type"].to_numpy()[hits.query_of_hit]
    assert (hits.to_pandas()[LABEL] == own).mean() > 0.9


def test_what_is_said_of_the_search(query, atlas_ref, quiet):
    info = search(query, atlas_ref, 3, where="flag", exclude="donor", config=quiet()).info
    seconds = info.pop("seconds")
    assert set(seconds) == {"encode", "search"}
    assert min(seconds.values()) > 0
    n_allowed = info.pop("n_candidates")
    assert 3 < n_allowed < N_CELLS / 2
    assert info == {
        "ranking": "asymmetric",
        "method": "flat",
        "exact": True,
        "scanned": 1.0,
        "where": "flag",
        "exclude": "donor",
        "k": 3,
        "radius": None,
        "reference_fingerprint": atlas_ref.fingerprint,
    }


def test_the_walk_is_not_called_exact(query, atlas_ref, quiet):
    info = search(query, atlas_ref, 3, config=quiet(method="anchor-walk")).info
    assert (info["method"], info["exact"]) == ("anchor-walk", False)
    assert 0 < info["scanned"] < 1


def test_fifty_unless_said_otherwise(query, atlas_ref, quiet):
    assert (np.diff(search(query, atlas_ref, config=quiet()).bounds) == 50).all()


def test_nothing_is_written(query, atlas_ref, quiet):
    before = query.copy()
    search(query, atlas_ref, 5, exclude="donor", config=quiet())
    pd.testing.assert_frame_equal(query.obs, before.obs)
    assert (query.X != before.X).nnz == 0
    assert (set(query.obsm), set(query.uns)) == (set(before.obsm), set(before.uns))


# where


@pytest.mark.parametrize(
    ("where", "meets"),
    [
        ("donor = 'd1'", lambda known: known["donor"] == "d1"),
        ("age > 1.5 AND NOT flag", lambda known: (known["age"] > 1.5) & ~known["flag"]),
        ("maybe", lambda known: known["maybe"].eq(True)),
        ("note IS NULL", lambda known: known["note"].isna()),
        ("label IN ('B cell') OR rank = 0", None),
    ],
)
@pytest.mark.parametrize("ranking", RANKINGS)
def test_a_condition_comes_before_the_ranking(
    query, atlas_ref, known, quiet, distances, where, meets, ranking
):
    if meets is None:
        labels = np.array(atlas_ref.cells[LABEL].to_pylist())
        allowed = np.flatnonzero((labels == "B cell") | (known["rank"] == 0))
    else:
        allowed = np.flatnonzero(meets(known))
    hits = search(query, atlas_ref, 5, where=where, config=quiet(ranking=ranking))
    is_within(hits, allowed)
    assert hits.info["n_candidates"] == len(allowed)
    assert (np.diff(hits.bounds) == 5).all()
    np.testing.assert_array_equal(hits.background, allowed)
    if ranking == "code":
        order = np.argsort(distances[:, allowed], axis=1, kind="stable")[:, :5]
        np.testing.assert_array_equal(hits.rows, allowed[order].ravel())


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("", InputError, "it is empty"),
        ("donor =", InputError, "cannot be used"),
        ("donor = 'd1'; DROP TABLE cells", InputError, "';' does not belong in it"),
        ("1 = 1) OR (1 = 1", InputError, "parenthesis closes"),
        ("donor = 'd1' -- all", InputError, "begins a comment"),
        ("SELECT donor FROM cells", InputError, "'SELECT' does not belong"),
        ("flag = 'perhaps'", InputError, "cannot be used"),
        ("doner = 'd1'", KeyNotFoundError, "'doner'.* Did you mean 'donor'"),
        ("donor = 'D1'", InputError, "No cell of the reference meets .*with case"),
        ("number > 99", InputError, "No cell of the reference meets"),
        (7, InputError, "it is no text"),
    ],
)
def test_conditions_that_are_none(query, atlas_ref, quiet, where, error, message):
    with pytest.raises(error, match=message):
        search(query, atlas_ref, 5, where=where, config=quiet())


# k and radius


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("radius", [0, 30, np.int64(45), 10**6])
def test_all_within_a_radius(query, atlas_ref, quiet, distances, ranking, radius):
    hits = search(query, atlas_ref, radius=radius, config=quiet(ranking=ranking))
    np.testing.assert_array_equal(np.diff(hits.bounds), (distances <= radius).sum(axis=1))
    assert (hits.distances <= radius).all()
    is_within(hits, np.arange(N_CELLS))


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned"])
def test_k_of_those_within_a_radius(query, atlas_ref, quiet, distances, ranking, method):
    config = quiet(ranking=ranking, method=method)
    radius = int(np.median(np.sort(distances, axis=1)[:, 30]))
    hits = search(query, atlas_ref, 30, radius=radius, config=config)
    inside = (distances <= radius).sum(axis=1)
    assert inside.min() < 30 < inside.max()
    np.testing.assert_array_equal(np.diff(hits.bounds), np.minimum(inside, 30))
    assert (hits.distances <= radius).all()


@pytest.mark.parametrize("k", [0, -3, 1.5, 2.0, True, np.True_, np.nan, np.inf, "5"])
def test_numbers_of_cells_that_are_none(query, atlas_ref, quiet, k):
    with pytest.raises(InputError, match=r"`k` is .*a whole number, at least 1"):
        search(query, atlas_ref, k, config=quiet())


@pytest.mark.parametrize("radius", [-1, 0.5, False, np.nan, "5"])
def test_radii_that_are_none(query, atlas_ref, quiet, radius):
    with pytest.raises(InputError, match=r"`radius` is .*a whole number.*at least 0"):
        search(query, atlas_ref, radius=radius, config=quiet())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"ranking": "cosine"}, "`ranking` is 'cosine'.*'asymmetric', 'code', 'anchor-first'"),
        ({"method": "hnsw"}, "`method` is 'hnsw'.*'flat', 'pruned', 'anchor-walk'"),
        ({"min_shared": 1.5}, "`min_shared` is 1.5"),
        ({"chunk_size": 0}, "`chunk_size` is 0"),
    ],
)
def test_options_out_of_range(query, atlas_ref, quiet, option, message):
    with pytest.raises(InputError, match=message):
        search(query, atlas_ref, 5, config=quiet(**option))


@pytest.mark.parametrize("k", [N_CELLS + 1, 10**9])
def test_more_than_there_are(query, atlas_ref, quiet, k):
    with pytest.warns(FewerCellsWarning, match="asked for, but only 360 may be found"):
        hits = search(query, atlas_ref, k, config=quiet())
    assert (np.diff(hits.bounds) == N_CELLS).all()


def test_fewer_are_left_by_a_condition_or_the_own_donor(query, atlas_ref, known, quiet):
    n = int((known["number"] == 1).sum())
    with pytest.warns(FewerCellsWarning, match=f"only {n} may be found"):
        hits = search(query, atlas_ref, n + 1, where="number = 1", config=quiet())
    assert (np.diff(hits.bounds) == n).all()
    left = min((known["number"] != number).sum() for number in range(5))
    with pytest.warns(FewerCellsWarning, match=f"only {left} .*of a query's own 'number'"):
        search(query, atlas_ref, N_CELLS, exclude="number", config=quiet())


def test_a_query_whose_own_donor_is_all_there_is_finds_nothing(query, atlas_ref, known, quiet):
    query.obs["number"] = 1
    with pytest.warns(FewerCellsWarning, match="only 0 may be found"):
        hits = search(query, atlas_ref, 3, where="number = 1", exclude="number", config=quiet())
    assert len(hits.rows) == 0
    assert hits.bounds.tolist() == [0] * (len(query) + 1)


def test_enough_cells_warn_of_nothing(query, atlas_ref, quiet):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(query, atlas_ref, N_CELLS, config=quiet())
        search(query, atlas_ref, radius=20, exclude="donor", config=quiet())


# what a result may depend on


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["auto", "flat", "pruned"])
def test_neither_company_nor_order_matters(query, atlas_ref, quiet, ranking, method):
    config = quiet(ranking=ranking, method=method)
    together = by_query(search(query, atlas_ref, 9, config=config))
    order = np.random.default_rng(0).permutation(query.n_obs)
    assert by_query(search(query[order].copy(), atlas_ref, 9, config=config)) == together
    alone = {}
    for cell in range(8):
        alone |= by_query(search(query[cell : cell + 1].copy(), atlas_ref, 9, config=config))
    assert alone == {name: together[name] for name in query.obs_names[:8]}


def test_company_does_not_matter_where_donors_are_excluded(query, atlas_ref, quiet):
    together = by_query(search(query, atlas_ref, 9, exclude="donor", config=quiet()))
    for part in (query[::2].copy(), query[1::2].copy()):
        found = by_query(search(part, atlas_ref, 9, exclude="donor", config=quiet()))
        assert found == {name: together[name] for name in part.obs_names}


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("method", ["flat", "pruned", "anchor-walk"])
def test_saved_and_in_memory_are_one(query, atlas_ref, loaded, quiet, ranking, method):
    config = quiet(ranking=ranking, method=method)
    request = {"where": "rank < 4", "exclude": "donor", "config": config}
    same(search(query, loaded, 9, **request), search(query, atlas_ref, 9, **request))
    same(search(query, loaded, 9, config=config), search(query, atlas_ref, 9, config=config))


@pytest.mark.parametrize("options", [{"n_threads": 2}, {"chunk_size": 7}, {"method": "pruned"}])
def test_how_it_is_done_does_not_matter(query, atlas_ref, quiet, options):
    wanted = search(query, atlas_ref, 9, config=quiet())
    same(search(query, atlas_ref, 9, config=quiet(**options)), wanted)


def test_references_in_memory_are_kept_apart(query, atlas_ref, reference, quiet):
    """Both have cells that Lance holds under one name."""
    import dataclasses

    fewer = dataclasses.replace(reference, cells=reference.cells.slice(100, 90))
    before = search(query, atlas_ref, 9, config=quiet())
    few = search(query, fewer, 9, config=quiet())
    same(search(query, atlas_ref, 9, config=quiet()), before)
    assert few.rows.max() < 90
    names = reference.cells["cell_id"].to_pylist()[100:190]
    assert few.to_arrow()["cell_id"].to_pylist() == [names[row] for row in few.rows]


# cells in


def test_a_file_is_as_good_as_cells_in_memory(query, atlas_ref, quiet, tmp_path):
    del query.obs["maybe"]  # truth with gaps is nothing that a file takes
    query.write_h5ad(tmp_path / "query.h5ad")
    request = {"exclude": "donor", "config": quiet()}
    wanted = search(query, atlas_ref, 9, **request)
    same(search(tmp_path / "query.h5ad", atlas_ref, 9, **request), wanted)
    same(search(str(tmp_path / "query.h5ad"), atlas_ref, 9, **request), wanted)


def test_genes_may_come_in_any_order(query, atlas_ref, quiet):
    order = np.random.default_rng(0).permutation(query.n_vars)
    shuffled = search(query[:, order].copy(), atlas_ref, 9, config=quiet())
    same(shuffled, search(query, atlas_ref, 9, config=quiet()))


def test_layer_and_gene_column_are_read(query, atlas_ref, quiet):
    wanted = search(query, atlas_ref, 9, config=quiet())
    query.layers["counts"] = query.X.copy()
    query.X = sp.csr_matrix(query.shape, dtype=np.float32)
    query.var["symbol"] = query.var_names
    query.var_names = [f"row{place}" for place in range(query.n_vars)]
    config = quiet(layer="counts", gene_column="symbol")
    same(search(query, atlas_ref, 9, config=config), wanted)


@pytest.mark.filterwarnings("ignore:.*no counts of the reference")
def test_an_empty_cell_is_searched_and_troubles_no_other(query, atlas_ref, quiet):
    wanted = by_query(search(query, atlas_ref, 9, config=quiet()))
    counts = query.X.tolil()
    counts[3] = 0
    query.X = counts.tocsr()
    found = by_query(search(query, atlas_ref, 9, config=quiet()))
    empty = query.obs_names[3]
    assert len(found[empty][0]) == 9
    assert np.isfinite(found[empty][2]).all()
    assert found[empty][3] is None
    assert {**found, empty: None} == {**wanted, empty: None}


def test_cells_of_one_name_are_queries_of_their_own(query, atlas_ref, quiet):
    with pytest.warns(UserWarning, match="not unique"):
        twice = ad.concat([query[:3], query[:3]])
    hits = search(twice, atlas_ref, 4, config=quiet())
    assert len(hits) == 6
    np.testing.assert_array_equal(hits.rows[:12], hits.rows[12:])


def test_cells_that_cannot_be_used(query, atlas_ref, quiet):
    with pytest.raises(EmptyInputError):
        search(query[:0].copy(), atlas_ref, 5, config=quiet())
    query.var_names = [f"unknown{place}" for place in range(query.n_vars)]
    with pytest.raises(GeneMismatchError):
        search(query, atlas_ref, 5, config=quiet())
