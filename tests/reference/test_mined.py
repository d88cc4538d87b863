import numpy as np
import pandas as pd

from atlash.config import MiningConfig
from atlash.models.mining import Evidence, Mined
from atlash.reference.mined import mined_frame

LABELS = np.array([0, 0, 1, 1, 1])
EVIDENCE = Evidence(
    margin=np.array([0.5, -0.5, np.nan, -0.9, 0.1], dtype=np.float32),
    looks_like=np.array([1, 1, -1, 0, 0]),
    probability=np.array([0.1, 0.8, 0.0, 0.95, 0.4]),
    own_probability=np.array([0.9, 0.2, 1.0, 0.01, 0.6]),
    own_agreement=np.array([1.0, 0.4, 1.0, 0.0, 0.8]),
)
MINED = Mined(EVIDENCE, np.array([1, 0, 2, 4]), np.array([3]), MiningConfig())
IDS = ["a", "b", "c", "d", "e"]


def test_suspicious_cells_come_first_and_then_the_hardest():
    table = mined_frame(MINED, IDS, labels=LABELS, types=["B", "T"])
    assert table["cell_id"].tolist() == ["d", "b", "e", "a", "c"]
    assert table["status"].tolist() == ["suspicious", *["hard"] * 4]
    assert table["type"].tolist() == ["T", "B", "T", "B", "T"]
    assert table["looks_like"].tolist() == ["B", "T", "B", "T", None]
    assert table["own_probability"].tolist() == [0.01, 0.2, 0.6, 0.9, 1.0]


def test_nothing_found_is_an_empty_table_of_the_same_columns():
    nothing = np.empty(0, dtype=np.int64)
    found = mined_frame(
        Mined(EVIDENCE, nothing, nothing, MiningConfig()), IDS, labels=LABELS, types=["B", "T"]
    )
    assert len(found) == 0
    full = mined_frame(MINED, IDS, labels=LABELS, types=["B", "T"])
    pd.testing.assert_index_equal(found.columns, full.columns)
