"""Batches of cells as ``obs`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from atlash.errors import InputError, KeyNotFoundError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def batches_of(obs: pd.DataFrame, key: str) -> NDArray[np.int32]:
    """Return the batch of each cell, or raise an error."""
    if key not in obs:
        msg = f"`obs` has no column {key!r} to take batches from.{did_you_mean(key, obs.columns)}"
        raise KeyNotFoundError(msg)
    codes = obs[key].astype("category").cat.remove_unused_categories().cat.codes.to_numpy()
    if (codes < 0).any():
        msg = (
            f"{int((codes < 0).sum()):,} cells have no value in `obs[{key!r}]`, the first in row "
            f"{int((codes < 0).argmax())}. Give each a batch, or leave those cells out."
        )
        raise InputError(msg)
    return codes.astype(np.int32)
