"""Which types are taken for which."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.data.columns import one_column
from atlash.errors import InputError, KeyNotFoundError
from atlash.keys import UNASSIGNED, AnnotationKeys
from atlash.tl.truth import read_truth

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

_MANY, _TOO_MANY = 30, 80
"""Types from which on cells of the picture shrink, and have no numbers."""
_LARGEST = 40.0
"""Inches that the cells of a picture take at most, each way; with more types they shrink."""
_LONGEST = 32
"""Letters of a name; the middle of longer ones is left out, as their ends differ."""
_LETTER = 0.0085
"""Inches by which a name grows with a letter, for each point of its size."""


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
        Column of ``obs`` with the true types; cells without one are left out, and spaces around a
        name are dropped. Counts need none.
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
    LabelsError
        If no cell has a true type, or one has the name ``"unassigned"``.
    InputError
        If cells come without ``labels_key``, counts are empty or are none, or ``adata`` or ``ax``
        is something else.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    counts = adata if isinstance(adata, pd.DataFrame) else _counts(adata, labels_key, key_added)
    _check_counts(counts)
    _check_axes(ax)
    total = counts.sum(axis=1)
    share = counts.div(total, axis=0)
    n_rows, n_columns = share.shape
    most = max(n_rows, n_columns)
    size_of_names, size_of_numbers = (8.0, 6) if most > _MANY else (10.0, 8)
    size_of_names = min(size_of_names, 50 * _LARGEST / most)  # of the 72 points of an inch
    columns = [_short(name) for name in share.columns]
    rows = [f"{_short(name)} ({n:,})" for name, n in zip(share.index, total, strict=True)]
    if ax is None:
        size = _size(rows, columns, size_of_names)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    # a mesh: an image would be resampled to the size of the picture, in gigabytes for many types
    edges = (np.arange(n + 1) - 0.5 for n in (n_columns, n_rows))
    image = ax.pcolormesh(*edges, share.to_numpy(), cmap="Blues", vmin=0, vmax=1)
    ax.invert_yaxis()
    ax.set_xticks(
        range(n_columns),
        columns,
        rotation=45,
        ha="right",
        rotation_mode="anchor",
        fontsize=size_of_names,
    )
    ax.set_yticks(range(n_rows), rows, fontsize=size_of_names)
    for (row, column), value in np.ndenumerate(share.to_numpy()):
        if value >= 0.005 and most <= _TOO_MANY:
            ax.text(
                column,
                row,
                f"{100 * value:.0f}",
                ha="center",
                va="center",
                color=_readable(image, value),
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


def _check_counts(counts: pd.DataFrame) -> None:
    if 0 in counts.shape:
        msg = f"The counts have {counts.shape[0]} rows and {counts.shape[1]} columns; need both."
        raise InputError(msg)
    numbers = [pd.api.types.is_numeric_dtype(kind) for kind in counts.dtypes]
    if not all(numbers) or not ((counts >= 0) & (counts < np.inf)).to_numpy().all():
        msg = (
            "The counts must be numbers of cells, at least 0, with a row for each true type and a "
            "column for each label, such as `Evaluation.confusion`. For a table of cells pass the "
            "AnnData, and `labels_key`."
        )
        raise InputError(msg)


def _check_axes(ax: object) -> None:
    if ax is not None and not hasattr(ax, "imshow"):
        msg = (
            f"`ax` is a {type(ax).__name__}, but must be one Axes of matplotlib, such as "
            "`axes[0]` of `figure, axes = plt.subplots(ncols=2)`."
        )
        raise InputError(msg)


def _counts(adata: AnnData, labels_key: str | None, key_added: str) -> pd.DataFrame:
    """Count cells, types in one order and ``unassigned`` last."""
    if not hasattr(adata, "obs_names"):
        msg = (
            "Cells must be an annotated AnnData, or counts a pandas.DataFrame, got "
            f"{type(adata).__name__}. Read a file with `anndata.read_h5ad(path)`."
        )
        raise InputError(msg)
    if labels_key is None:
        msg = "`labels_key` is missing: name the column of obs with the true types."
        raise InputError(msg)
    keys = AnnotationKeys(key_added)
    for key in (labels_key, keys.label):
        if not isinstance(key, Hashable) or key not in adata.obs:
            msg = f"There is no column {key!r} in obs; annotate first, or name the right column."
            raise KeyNotFoundError(msg)
    truth = read_truth(adata.obs, [labels_key], None)[0]
    known = pd.notna(truth)
    given = one_column(adata.obs, keys.label).astype(str).to_numpy()
    table = pd.crosstab(truth[known], given[known])
    types = sorted(table.index)
    others = sorted(set(table.columns) - set(types) - {UNASSIGNED})
    # a type that could have been given has its column, though no cell was given it
    could = {*table.columns, *map(str, adata.uns.get(keys.provenance, {}).get("types", ()))}
    columns = [*[t for t in types if t in could], *others]
    columns += [UNASSIGNED] if UNASSIGNED in table.columns else []
    return table.reindex(index=types, columns=columns, fill_value=0)


def _size(rows: list[str], columns: list[str], size_of_names: float) -> tuple[float, float]:
    """Return inches that leave room for the names beside and below the shares."""
    wide, high = (0.55, 0.42) if size_of_names == 10 else (0.3, 0.27)
    wide, high = min(wide, _LARGEST / len(columns)), min(high, _LARGEST / len(rows))
    letter = _LETTER * size_of_names
    below = letter * max(map(len, columns)) * np.sqrt(0.5)  # at 45 degrees
    beside = max(letter * max(map(len, rows)), below)
    # the least sizes are those of the colour bar's label
    return (
        1.8 + beside + max(1.2, wide * len(columns)),
        0.7 + below + max(2.0, high * len(rows)),
    )


def _readable(image: ScalarMappable, value: float) -> str:
    """Return black or white, whichever stands out more from the colour of a share.

    By the relative luminance and contrast ratio of WCAG 2.1, which is at least 4.5 then.
    """
    colour = image.to_rgba(np.array([value]))[0, :3]
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def _short(name: object) -> str:
    text = str(name).replace("$", r"\$")  # a dollar sign would begin a formula
    if len(text) <= _LONGEST:
        return text
    half = (_LONGEST - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"
