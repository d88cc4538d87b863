"""Which types are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.errors import InputError, KeyNotFoundError
from atlash.keys import UNASSIGNED, AnnotationKeys

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_MANY = 30
"""Types from which on cells of the picture shrink."""
_LONGEST = 32
"""Letters of a name; the middle of longer ones is left out, as their ends differ."""


def confusion(
    adata: AnnData | pd.DataFrame,
    labels_key: str | None = None,
    *,
    key_added: str = "atlash",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of each true type that was given each label.

    Parameters
    ----------
    adata
        Annotated cells whose true types are known, or counts of cells with a row for each true
        type and a column for each label, as in :attr:`atlash.tl.Evaluation.confusion`.
    labels_key
        Column of ``obs`` with the true types; cells without one are left out. Counts need none.
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
    InputError
        If cells come without ``labels_key``, or counts are empty.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    counts = adata if isinstance(adata, pd.DataFrame) else _counts(adata, labels_key, key_added)
    if 0 in counts.shape:
        msg = f"The counts have {counts.shape[0]} rows and {counts.shape[1]} columns; need both."
        raise InputError(msg)
    share = counts.div(counts.sum(axis=1), axis=0)
    n_rows, n_columns = share.shape
    many = max(n_rows, n_columns) > _MANY
    if ax is None:
        wide, high = (0.3, 0.27) if many else (0.55, 0.42)
        size = 3.6 + wide * n_columns, 2.6 + high * n_rows
        _, ax = plt.subplots(figsize=size, layout="constrained")
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size_of_names, size_of_numbers = (8, 6) if many else (10, 8)
    ax.set_xticks(
        range(n_columns),
        [_short(name) for name in share.columns],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
        fontsize=size_of_names,
    )
    rows = [f"{_short(name)} ({counts.loc[name].sum():,})" for name in share.index]
    ax.set_yticks(range(n_rows), rows, fontsize=size_of_names)
    for (row, column), value in np.ndenumerate(share.to_numpy()):
        if value >= 0.005:
            ax.text(
                column,
                row,
                f"{100 * value:.0f}",
                ha="center",
                va="center",
                color="white" if value > 0.5 else "black",
                fontsize=size_of_numbers,
            )
    ax.set_xlabel("Label")
    ax.set_ylabel("True type (cells)")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    figure = ax.get_figure(root=True)
    assert figure is not None  # Axes have one unless they were removed from it
    figure.colorbar(
        image,
        ax=ax,
        label="Share of the true type",
        format=PercentFormatter(xmax=1),
        shrink=min(0.8, 4 / figure.get_figheight()),
    )
    return ax


def _counts(adata: AnnData, labels_key: str | None, key_added: str) -> pd.DataFrame:
    """Count cells, types in one order and ``unassigned`` last."""
    if labels_key is None:
        msg = "`labels_key` is missing: name the column of obs with the true types."
        raise InputError(msg)
    label_key = AnnotationKeys(key_added).label
    for key in (labels_key, label_key):
        if key not in adata.obs:
            msg = f"There is no column {key!r} in obs; annotate first, or name the right column."
            raise KeyNotFoundError(msg)
    truth, label = adata.obs[labels_key], adata.obs[label_key]
    known = truth.notna().to_numpy()
    true, given = (values.astype(str).to_numpy()[known] for values in (truth, label))
    table = pd.crosstab(true, given)
    types = sorted(table.index)
    others = sorted(set(table.columns) - set(types) - {UNASSIGNED})
    columns = [*[t for t in types if t in table.columns], *others]
    columns += [UNASSIGNED] if UNASSIGNED in table.columns else []
    return table.loc[types, columns]


def _short(name: object) -> str:
    text = str(name).replace("$", r"\$")  # a dollar sign would begin a formula
    if len(text) <= _LONGEST:
        return text
    half = (_LONGEST - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"
