"""Which types are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.errors import KeyNotFoundError
from atlash.keys import UNASSIGNED, AnnotationKeys

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def confusion(
    adata: AnnData, labels_key: str, *, key_added: str = "atlash", ax: Axes | None = None
) -> Axes:
    """Draw the share of each true type that was given each label.

    Parameters
    ----------
    adata
        Annotated cells whose true types are known.
    labels_key
        Column of ``obs`` with the true types; cells without one are left out.
    key_added
        Prefix that the annotation was written with.
    ax
        Where to draw; ``None`` makes a figure that fits.

    Returns
    -------
    The Axes: rows are true types, with their cells, columns are labels, in per cent of the row.

    Raises
    ------
    KeyNotFoundError
        If a column does not exist.
    """
    import matplotlib.pyplot as plt

    label_key = AnnotationKeys(key_added).label
    for key in (labels_key, label_key):
        if key not in adata.obs:
            msg = f"There is no column {key!r} in obs; annotate first, or name the right column."
            raise KeyNotFoundError(msg)
    share, counts = _shares(adata.obs[labels_key], adata.obs[label_key])
    if ax is None:
        width, height = 2.6 + 0.55 * share.shape[1], 1.8 + 0.42 * share.shape[0]
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(
        range(share.shape[1]), share.columns, rotation=45, ha="right", rotation_mode="anchor"
    )
    rows = [f"{name} ({counts[name]:,})" for name in share.index]
    ax.set_yticks(range(share.shape[0]), rows)
    for (row, column), value in np.ndenumerate(share.to_numpy()):
        if value >= 0.005:
            colour = "white" if value > 0.5 else "black"
            ax.text(
                column,
                row,
                f"{100 * value:.0f}",
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
            )
    ax.set_xlabel("Label")
    ax.set_ylabel("True type (cells)")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.figure.colorbar(image, ax=ax, label="Share of the true type", shrink=0.8)
    return ax


def _shares(truth: pd.Series[str], label: pd.Series[str]) -> tuple[pd.DataFrame, pd.Series[int]]:
    """Return shares of rows, types in one order, ``unassigned`` last, and the rows' counts."""
    known = truth.notna().to_numpy()
    true, given = (values.astype(str).to_numpy()[known] for values in (truth, label))
    table = pd.crosstab(true, given)
    types = sorted(table.index)
    others = sorted(set(table.columns) - set(types) - {UNASSIGNED})
    columns = [*[t for t in types if t in table.columns], *others]
    columns += [UNASSIGNED] if UNASSIGNED in table.columns else []
    table = table.loc[types, columns]
    counts = table.sum(axis=1)
    return table.div(counts, axis=0), counts
