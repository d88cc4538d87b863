"""References that several tests of this room share."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from atlash.codes.pack import pack
from atlash.reference.audit import audit
from atlash.reference.columns import cells_table


@pytest.fixture(scope="session")
def other(atlas_counts, tiny):
    """A reference of the same cells with another encoder, shared: do not change it."""
    import atlash

    return atlash.Reference.build(
        atlas_counts, labels_key="cell_type", batch_key="batch", config=tiny, random_state=1
    )


N = 1200
BATCHES = np.array(["b1", "b2", "b3"])


class Planted:
    """Cells of the reference's types with 64 detail bits, to plant faults in."""

    def __init__(self, reference):
        rng = np.random.default_rng(0)
        self.reference = reference
        self.anchors = reference.annotator.anchors > 0
        self.n_anchor_bits = self.anchors.shape[1]
        self.kind = rng.integers(0, len(self.anchors), N)
        flips = rng.random((N, self.n_anchor_bits)) < 1 / 32
        self.bits = np.concatenate(
            [self.anchors[self.kind] ^ flips, rng.random((N, 64)) < 0.4], axis=1
        )
        self.batch = BATCHES[rng.integers(0, 3, N)].astype(object)
        self.labels = np.array(reference.types, dtype=object)[self.kind]
        letters = np.array(list("ACGT"))[rng.integers(0, 4, (N, 16))]
        self.ids = np.array(["".join(word) + "-1" for word in letters], dtype=object)

    @property
    def detail(self):
        return self.bits[:, self.n_anchor_bits :]

    def table(self):
        obs = pd.DataFrame({"batch": self.batch, "percent.mt": np.arange(N) % 2, "n": range(N)})
        return cells_table(self.ids, pack(self.bits), self.labels, obs=obs)

    def audit(self, **options):
        return audit(replace(self.reference, cells=self.table()), **options)


@pytest.fixture
def planted(reference):
    return Planted(reference)
