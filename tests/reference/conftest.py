"""References that several tests of this room share."""

import pytest


@pytest.fixture(scope="session")
def other(atlas_counts, tiny):
    """A reference of the same cells with another encoder, shared: do not change it."""
    import atlash

    return atlash.Reference.build(
        atlas_counts, labels_key="cell_type", batch_key="batch", config=tiny, random_state=1
    )
