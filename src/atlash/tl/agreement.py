"""Numbers of an evaluation: answers compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.keys import UNASSIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SEGMENTS = ("head", "medium", "tail")
"""Thirds of a reference's types, those with the most training cells first."""


@dataclass(frozen=True)
class Compared:
    """Answers and truth of ``n`` cells as positions in one list of types.

    Attributes
    ----------
    names
        Types of the reference, then the others that are true of some cell, then
        ``"unassigned"``.
    n_types
        How many of them the reference knows.
    truth
        True type of each cell, int64 ``(n,)``.
    given
        Type given to each cell, int64 ``(n,)``.
    """

    names: list[str]
    n_types: int
    truth: NDArray[np.int64]
    given: NDArray[np.int64]

    @classmethod
    def of(cls, types: Sequence[str], truth: NDArray[Any], given: NDArray[Any]) -> Compared:
        """Compare names; a name given that is no type of the reference counts as unknown."""
        others = {*truth, *given} - {*types, UNASSIGNED}
        names = [*types, *sorted(others), UNASSIGNED]
        place = pd.Index(names)
        return cls(
            names,
            len(types),
            place.get_indexer(pd.Index(truth)).astype(np.int64),
            place.get_indexer(pd.Index(given)).astype(np.int64),
        )

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which cells are of a type of the reference ``(n,)``."""
        return np.less(self.truth, self.n_types)

    @property
    def is_assigned(self) -> NDArray[np.bool_]:
        """Which cells were given a type ``(n,)``."""
        return np.less(self.given, len(self.names) - 1)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Which cells were given their type ``(n,)``."""
        return np.equal(self.truth, self.given)


def segments_of(training: Mapping[str, int]) -> dict[str, str]:
    """Deal types into thirds by their training cells.

    Parameters
    ----------
    training
        Labelled cells of each type that the reference was built from.

    Returns
    -------
    ``"head"``, ``"medium"`` or ``"tail"`` of each type. Head and tail are a third of the types
    each, rounded; equal counts are ordered by name.
    """
    ordered = sorted(training, key=lambda name: (-training[name], name))
    third = round(len(ordered) / 3)
    middle = len(ordered) - 2 * third
    parts = [*["head"] * third, *["medium"] * middle, *["tail"] * third]
    return dict(zip(ordered, parts, strict=True))


def type_table(
    compared: Compared,
    training: Mapping[str, int] | None,
    backed_off: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Return precision, recall and F1 of each type of the reference, the most cells first.

    Parameters
    ----------
    compared
        Answers and truth.
    training
        Labelled cells of each type that the reference was built from; ``None`` if not known.
    backed_off
        Which of the unassigned cells were given a parent ``(n,)``; ``None`` if there are none.

    Returns
    -------
    One row a type, with the columns of :attr:`atlash.tl.Evaluation.per_type`.
    """
    from sklearn.metrics import precision_recall_fscore_support

    types = compared.names[: compared.n_types]
    precision, recall, f1, cells = precision_recall_fscore_support(
        compared.truth, compared.given, labels=np.arange(len(types)), zero_division=0
    )
    n_names = len(compared.names)
    given = np.bincount(compared.given, minlength=n_names)[: len(types)]
    lost, alone = (
        np.bincount(compared.truth[which], minlength=n_names)[: len(types)]
        for which in (~compared.is_assigned, slice(0) if backed_off is None else backed_off)
    )
    occurs = cells > 0
    has_parents = occurs & (backed_off is not None)
    segment = segments_of(training) if training is not None else {}
    counts = [None if training is None else training.get(name) for name in types]
    table = pd.DataFrame(
        {
            "segment": pd.array([segment.get(name) for name in types], dtype="object"),
            "training_cells": pd.array(counts, dtype="Int64"),
            "cells": cells.astype(np.int64),
            "given": given,
            "precision": np.where(occurs | (given > 0), precision, np.nan),
            "recall": np.where(occurs, recall, np.nan),
            "f1": np.where(occurs, f1, np.nan),
            "unassigned": np.where(occurs, lost / np.maximum(cells, 1), np.nan),
            "parent_only": np.where(has_parents, alone / np.maximum(cells, 1), np.nan),
        },
        index=pd.Index(types, name="type"),
    )
    return table.sort_values("cells", ascending=False, kind="stable")


def unknown_table(compared: Compared) -> pd.DataFrame:
    """Return what became of cells whose type the reference does not know.

    Returns
    -------
    One row a type, the most cells first: ``cells``, ``caught`` (share left unassigned),
    ``most_often`` (the label that most of the others were given; ``None`` if all were caught)
    and ``most_often_cells``.
    """
    counts = confusion_table(compared)
    counts = counts[~counts.index.isin(compared.names[: compared.n_types])]
    labels = counts.drop(columns=UNASSIGNED)
    total, most = counts.sum(axis=1), labels.max(axis=1) if labels.shape[1] else 0
    rows = pd.DataFrame(
        {
            "cells": total.astype(np.int64),
            "caught": counts[UNASSIGNED] / total,
            "most_often": labels.idxmax(axis=1).astype(object) if labels.shape[1] else None,
            "most_often_cells": most,
        },
        index=pd.Index(counts.index, name="type"),
    ).astype({"most_often_cells": np.int64})
    rows["most_often"] = rows["most_often"].where(rows["most_often_cells"] > 0, None)
    return rows.sort_values("cells", ascending=False, kind="stable")


def confusion_table(compared: Compared) -> pd.DataFrame:
    """Return how many cells of each true type were given each label.

    Returns
    -------
    Rows are the types that occur, those of the reference first; columns the labels that were
    given, the reference's types that occur, and ``"unassigned"`` at the end.
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(
        compared.truth, compared.given, labels=np.arange(len(compared.names))
    )
    rows = np.flatnonzero(counts.sum(axis=1))
    wanted = counts.sum(axis=0) > 0
    wanted[rows[rows < compared.n_types]] = True
    wanted[-1] = True
    columns = np.flatnonzero(wanted)
    names = pd.Index(compared.names)
    return pd.DataFrame(
        counts[np.ix_(rows, columns)],
        index=names[rows].rename("type"),
        columns=names[columns].rename("label"),
    )


def confusions(counts: pd.DataFrame) -> pd.DataFrame:
    """Return which types were taken for which, the most cells first.

    Parameters
    ----------
    counts
        Cells of each true type (rows) with each label (columns).

    Returns
    -------
    One row a pair that occurs: ``truth``, ``given``, ``cells``, and ``share`` of the true
    type's cells. Cells left unassigned were taken for nothing.
    """
    labels = counts.drop(columns=UNASSIGNED)
    rows, columns = np.nonzero(labels.to_numpy())
    cells = labels.to_numpy()[rows, columns]
    found = pd.DataFrame(
        {
            "truth": labels.index[rows].astype(object),
            "given": labels.columns[columns].astype(object),
            "cells": cells,
            "share": cells / counts.sum(axis=1).to_numpy()[rows],
        }
    )
    found = found[found["truth"] != found["given"]]
    return found.sort_values("cells", ascending=False, kind="stable").reset_index(drop=True)


def averages(per_type: pd.DataFrame) -> dict[str, Any]:
    """Return what the rows of a table of types come to.

    Parameters
    ----------
    per_type
        Rows of :func:`type_table`. Types without cells do not count.

    Returns
    -------
    ``types`` and ``cells`` that count, ``accuracy`` (unassigned is wrong),
    ``balanced_accuracy`` (mean recall), ``macro_precision``, ``macro_f1``, ``weighted_f1`` (by
    cells), ``median_f1`` and ``unassigned`` (share of cells); ``None`` where nothing counts.
    """
    rows = per_type[per_type["cells"] > 0]
    cells = rows["cells"].to_numpy(np.float64)
    shares = {"types": len(rows), "cells": int(cells.sum())}
    if not len(rows):
        return shares | dict.fromkeys(_AVERAGES)
    values = (
        np.average(rows["recall"], weights=cells),
        rows["recall"].mean(),
        rows["precision"].mean(),
        rows["f1"].mean(),
        np.average(rows["f1"], weights=cells),
        rows["f1"].median(),
        np.average(rows["unassigned"], weights=cells),
    )
    return shares | {name: float(value) for name, value in zip(_AVERAGES, values, strict=True)}


_AVERAGES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "weighted_f1",
    "median_f1",
    "unassigned",
)
