"""Arguments of the wrong type, given to every verb: told as such, and nothing is written."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from atlash import (
    AnnotateConfig,
    EmbedConfig,
    PretrainedEncoder,
    Reference,
    SearchConfig,
    tl,
)
from atlash.errors import InputError, KeyNotFoundError

NAMES = ([], {}, np.array([1, 2]))
WHOLE = ("a", None, [], {}, 1.5, -1, 0, True, float("nan"), (1, 2), b"x")
CELLS = (3, None, [], {}, np.ones((2, 2)), b"x")


@pytest.fixture(scope="module")
def neighbours(fresh_counts):
    """Cells with a graph, coordinates and buckets; shared."""
    cells = fresh_counts[:60].copy()
    ring = sp.csr_matrix(np.roll(np.eye(60, dtype=np.float32), 1, axis=1))
    cells.obsp["distances"], cells.obsp["connectivities"] = ring, ring + ring.T
    cells.uns["neighbors"] = {
        "distances_key": "distances",
        "connectivities_key": "connectivities",
    }
    cells.obsm["X_atlash"] = np.random.default_rng(0).standard_normal((60, 3))
    cells.obs["bucket"] = np.arange(60) % 20
    return cells


@pytest.fixture
def cells(neighbours):
    """Cells of one's own, that no call may change."""
    own = neighbours.copy()
    before = own.copy()
    yield own
    assert list(own.obs) == list(before.obs)
    assert (set(own.uns), set(own.obsm), set(own.obsp)) == (
        set(before.uns), set(before.obsm), set(before.obsp),
    )  # fmt: skip


def refused(name):
    """Return the context in which a message must name the argument."""
    return pytest.raises(InputError, match=rf"`{name}` is ")


@pytest.mark.parametrize("value", CELLS, ids=repr)
@pytest.mark.parametrize("verb", [tl.paga, tl.umap, lambda c: tl.pseudotime(c, "c1")])
def test_cells_that_are_none(verb, value):
    with pytest.raises(InputError, match=r"written to an AnnData, got \w+\. Wrap a matrix as"):
        verb(value)


@pytest.mark.parametrize("value", NAMES, ids=repr)
def test_names_that_are_lists(cells, reference, value):
    named = {
        "groups_key": [lambda: tl.markers(cells, groups_key=value),
                       lambda: tl.paga(cells, groups_key=value)],
        "neighbors_key": [lambda: tl.paga(cells, groups_key="cell_type", neighbors_key=value),
                          lambda: tl.pseudotime(cells, cells.obs_names[0], neighbors_key=value)],
        "bucket_key": [lambda: tl.umap(cells, bucket_key=value),
                       lambda: tl.pseudotime(cells, cells.obs_names[0], bucket_key=value)],
        "use_rep": [lambda: tl.umap(cells, bucket_key="bucket", use_rep=value)],
        "layer": [lambda: tl.annotate(cells, reference, layer=value),
                  lambda: tl.markers(cells, groups_key="cell_type", layer=value)],
        "vote": [lambda: tl.annotate(cells, reference, config=AnnotateConfig(vote=value))],
        "batch_key": [lambda: tl.cluster(cells, batch_key=value)],
    }  # fmt: skip
    for name, calls in named.items():
        for call in calls:
            with refused(name):
                call()
    with pytest.raises(KeyNotFoundError, match="has no column "):
        tl.annotate(cells, reference, gene_column=value)


@pytest.mark.parametrize("value", [v for v in WHOLE if v is not None], ids=repr)
def test_threads_that_are_no_number(cells, reference, value):
    for verb, config in (
        (tl.annotate, AnnotateConfig(n_threads=value)),
        (tl.search, SearchConfig(n_threads=value)),
        (tl.neighbors, SearchConfig(n_threads=value)),
    ):
        with refused("n_threads"):
            verb(cells, reference, config=config)
    with refused("n_threads"):
        tl.embed(cells, "model", config=EmbedConfig(n_threads=value))


@pytest.mark.parametrize("value", WHOLE, ids=repr)
def test_whole_numbers_that_are_none(cells, reference, value):
    root = cells.obs_names[0]
    with refused("chunk_size"):
        tl.annotate(cells, reference, config=AnnotateConfig(chunk_size=value))
    with refused("chunk_size"):
        tl.search(cells, reference, config=SearchConfig(chunk_size=value))
    with refused("chunk_size"):
        tl.embed(cells, "model", config=EmbedConfig(chunk_size=value))
    with refused("chunk_size"):
        tl.markers(cells, groups_key="cell_type", chunk_size=value)
    with refused("n_components"):
        tl.pseudotime(cells, root, n_components=value)
    with refused("n_neighbors"):
        tl.umap(cells, bucket_key="bucket", n_neighbors=value)
    if value is not None:
        with refused("n_genes"):
            tl.markers(cells, groups_key="cell_type", n_genes=value)
    if value != 0 or isinstance(value, bool):
        with refused("radius"):
            tl.count_within(cells, reference, value)
        with refused("max_cells"):
            tl.pseudotime(cells, root, max_cells=value)
        with refused("random_state"):
            tl.umap(cells, bucket_key="bucket", random_state=value)


@pytest.mark.parametrize("value", ["a", None, [], {}, (1, 2), b"x", 2, -0.1, float("nan")])
def test_shares_that_are_none(cells, reference, value):
    with refused("min_shared"):
        tl.search(cells, reference, config=SearchConfig(min_shared=value))
    with pytest.raises(InputError, match="`min_dist` "):
        tl.umap(cells, bucket_key="bucket", min_dist=value)


@pytest.mark.parametrize("value", ["no", "False", 0, 2, None, []], ids=repr)
def test_truth_values_that_are_none(cells, reference, tmp_path, value):
    """Text counts as true in Python, also ``"no"``."""
    quiet = AnnotateConfig(progress=False)
    told = {
        "force": [lambda: tl.annotate(cells, reference, force=value, config=quiet)],
        "copy": [
            lambda: tl.annotate(cells, reference, copy=value, config=quiet),
            lambda: tl.cluster(cells, copy=value),
            lambda: tl.embed(cells, "model", copy=value),
            lambda: tl.neighbors(cells, reference, copy=value),
        ],
        "overwrite": [lambda: replace(reference).save(tmp_path / "r.atlash", overwrite=value)],
        "verify": [lambda: Reference.load(tmp_path / "r.atlash", verify=value)],
        "resume": [lambda: PretrainedEncoder.pretrain(cells, tmp_path / "e", resume=value)],
    }
    for name, calls in told.items():
        for call in calls:
            with pytest.raises(InputError, match=rf"^`{name}` is .*, but must be True or False"):
                call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [3, None, [], {}, ("a",), ("a", "b", "c"), b"x"], ids=repr)
def test_roots_that_are_none(cells, value):
    with pytest.raises(InputError, match="name of a cell, or a column of obs and a value"):
        tl.pseudotime(cells, value)


@pytest.mark.parametrize("value", [3, None, [], {}, b"x", np.ones(2)], ids=repr)
def test_encoders_that_are_none(cells, value):
    with pytest.raises(InputError, match=r"encoder must be an atlash\.PretrainedEncoder or the"):
        tl.embed(cells, value)


@pytest.mark.parametrize("value", [3, "graph", None, []], ids=repr)
def test_what_names_no_graph(neighbours, value):
    cells = neighbours.copy()
    cells.uns["neighbors"] = value
    with pytest.raises(InputError, match=r"`uns\['neighbors'\]` is a \w+ and names no graph"):
        tl.paga(cells, groups_key="cell_type")


@pytest.mark.parametrize("value", [["donor"], {}, {"donor"}], ids=repr)
def test_columns_that_are_no_names(cells, reference, value):
    hits = tl.search(cells, reference, 2, config=SearchConfig(progress=False))
    for call, name in (
        (hits.to_arrow, "columns"),
        (hits.to_pandas, "columns"),
        (hits.composition, "by"),
        (lambda columns: tl.count_within(cells, reference, 3, by=columns), "by"),
    ):
        with pytest.raises(InputError, match=rf"^`{name}` holds .*, but must name columns, for"):
            call(["cell_type", value])


@pytest.mark.parametrize("value", [3, 1.5, True])
def test_groups_of_queries_that_are_none(cells, reference, value):
    hits = tl.search(cells, reference, 2, config=SearchConfig(progress=False))
    with refused("of"):
        hits.composition(of=value)
