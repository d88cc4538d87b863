"""Harmony, by its authors' harmonypy with its own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray


def harmony(
    places: NDArray[np.float32], batches: NDArray[np.int32], random_state: int
) -> NDArray[np.float32]:
    """Return corrected places ``(n, d)`` of cells ``(n, d)`` of batches ``(n,)``."""
    import harmonypy  # extra "bench"

    table = pd.DataFrame({"batch": batches.astype(str)})
    done = harmonypy.run_harmony(
        places.astype(np.float64), table, "batch",
        random_state=random_state, verbose=False, ncores=1,
    )  # fmt: skip
    corrected = np.asarray(done.Z_corr)
    if corrected.shape != places.shape:  # some versions give axes x cells
        corrected = corrected.T
    return corrected.astype(np.float32)
