"""Which types are taken for which."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlash.data.columns import one_column
from atlash.errors import InputError, KeyNotFoundError, LabelsError
from atlash.keys import UNASSIGNED, AnnotationKeys

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_MANY = 30
"""Types from which on cells of the picture shrink."""
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
    LabelsError
        If no cell has a true type.
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
    many = max(n_rows, n_columns) > _MANY
    size_of_names, size_of_numbers = (8, 6) if many else (10, 8)
    columns = [_short(name) for name in share.columns]
    rows = [f"{_short(name)} ({n:,})" for name, n in zip(share.index, total, strict=True)]
    if ax is None:
        size = _size(rows, columns, size_of_names)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
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
        if value >= 0.005:
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
    truth, label = (one_column(adata.obs, key) for key in (labels_key, keys.label))
    known = truth.notna().to_numpy()
    if not known.any():
        msg = (
            f"None of the {len(known):,} cells has a type in {labels_key!r}; name the column that "
            "holds the true types."
        )
        raise LabelsError(msg)
    true, given = (values.astype(str).to_numpy()[known] for values in (truth, label))
    table = pd.crosstab(true, given)
    types = sorted(table.index)
    others = sorted(set(table.columns) - set(types) - {UNASSIGNED})
    # a type that could have been given has its column, though no cell was given it
    could = {*table.columns, *map(str, adata.uns.get(keys.provenance, {}).get("types", ()))}
    columns = [*[t for t in types if t in could], *others]
    columns += [UNASSIGNED] if UNASSIGNED in table.columns else []
    return table.reindex(index=types, columns=columns, fill_value=0)


def _size(rows: list[str], columns: list[str], size_of_names: int) -> tuple[float, float]:
    """Return inches that leave room for the names beside and below the shares."""
    wide, high = (0.55, 0.42) if size_of_names == 10 else (0.3, 0.27)
    letter = _LETTER * size_of_names
    below = letter * max(map(len, columns)) * np.sqrt(0.5)  # at 45 degrees
    beside = max(letter * max(map(len, rows)), below)
    # the least sizes are those of the colour bar's label
    return (
        1.8 + beside + max(1.2, wide * len(columns)),
        0.7 + below + max(2.0, high * len(rows)),
    )


def _readable(image: AxesImage, value: float) -> str:
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
