from itertools import islice

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from atlash.config import InputConfig
from atlash.data.source import open_sources
from atlash.models.cell_stream import CellStream, Rows
from atlash.models.vocabulary import learn_vocabulary

SIZES = (70, 33, 5)


@pytest.fixture(scope="module")
def parts():
    """Three sources in which each cell has a value of its own."""
    names = [f"GENE{k}" for k in range(12)]
    rng = np.random.default_rng(0)
    found = []
    for number, size in enumerate(SIZES):
        X = rng.poisson(2.0, (size, 12)).astype(np.float32)
        X[:, 0] = 100 * number + np.arange(size) + 1
        found.append(ad.AnnData(sp.csr_matrix(X), var=pd.DataFrame(index=names)))
    options = InputConfig(min_shared=0.0)
    sources = open_sources(found)
    known = learn_vocabulary(sources, options, n_genes=100, names=None, progress=False)
    return [known.bind(source, options) for source in sources]


def stream_of(parts, **changes):
    options = {"block_size": 8, "buffer_size": 20, "random_state": 0} | changes
    domains = [np.arange(part.n_cells) for part in parts]
    return CellStream(parts, domains, **options)


def places(rows):
    return list(zip(rows.source.tolist(), rows.position.tolist(), strict=True))


@pytest.mark.parametrize("block_size", [1, 8, 1000])
@pytest.mark.parametrize("buffer_size", [1, 20, 1000])
def test_each_cell_comes_once_an_epoch(parts, block_size, buffer_size):
    stream = stream_of(parts, block_size=block_size, buffer_size=buffer_size)
    assert stream.n_cells == 108
    drawn = Rows.concatenate(list(islice(stream.batches(27, first=0), 8)))
    everything = {(number, row) for number, size in enumerate(SIZES) for row in range(size)}
    for epoch in range(2):
        found = places(drawn[108 * epoch : 108 * (epoch + 1)])
        assert len(found) == 108
        assert set(found) == everything
    assert places(drawn[:108]) != places(drawn[108:])


def test_cells_keep_their_values_and_batches(parts):
    for rows in islice(stream_of(parts).batches(16, first=0), 10):
        np.testing.assert_array_equal(rows.domain, rows.position)
        for row in range(len(rows)):
            own = parts[rows.source[row]].rows(rows.position[[row]]).X
            np.testing.assert_array_equal(rows.X[[row]].toarray(), own.toarray())


@pytest.mark.parametrize("first", [1, 3, 7, 8, 20])
def test_it_can_be_entered_anywhere(parts, first):
    stream = stream_of(parts)
    whole = list(islice(stream.batches(16, first=0), first + 5))[first:]
    entered = list(islice(stream.batches(16, first=first), 5))
    assert [places(rows) for rows in whole] == [places(rows) for rows in entered]
    for one, other in zip(whole, entered, strict=True):
        np.testing.assert_array_equal(one.X.toarray(), other.X.toarray())


def test_a_batch_may_be_larger_than_all_cells(parts):
    (rows,) = islice(stream_of(parts).batches(300, first=0), 1)
    assert len(rows) == 300
    assert np.unique(places(rows)[:216], axis=0, return_counts=True)[1].tolist() == [2] * 108


def test_the_seed_decides_the_order(parts):
    one, same, other = (
        places(next(stream_of(parts, random_state=seed).batches(64, first=0)))
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_cells_of_all_places_are_mixed(parts):
    """Blocks of a buffer are from anywhere: the first window is no run of neighbours."""
    stream = stream_of(parts[:1], block_size=4, buffer_size=32)
    rows = next(stream.batches(32, first=0))
    assert np.ptp(rows.position) > 40
    assert (np.diff(rows.position) == 1).mean() < 0.3


def test_no_more_than_a_buffer_and_a_block_are_read_at_a_time(parts):
    sizes = [int((w[:, 2] - w[:, 1]).sum()) for w in stream_of(parts)._windows(0)]
    assert sum(sizes) == 108
    assert max(sizes) <= 20 + 8
