"""What is taken for a reference."""

from pathlib import Path

import pytest

from atlash.config import SearchConfig
from atlash.errors import InputError
from atlash.tl import annotate, count_within, search

QUIET = SearchConfig(progress=False)
USES = {
    "annotate": annotate,
    "search": search,
    "count_within": lambda cells, reference: count_within(cells, reference, 5, config=QUIET),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("place", ["blood.atlash", Path("blood.atlash")], ids=["text", "path"])
def test_a_path_is_no_reference(atlas, use, place):
    with pytest.raises(InputError, match=r"got \w+\. Load it: `atlash.Reference.load\('blood"):
        USES[use](atlas, place)
    assert not set(atlas.obsm) | set(atlas.uns)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("thing", [None, 3, {}], ids=str)
def test_nor_is_anything_else(atlas, use, thing):
    with pytest.raises(InputError, match=r"must be an atlash.Reference, got .* Build one"):
        USES[use](atlas, thing)
