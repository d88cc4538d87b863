"""What an evaluation found, level by level."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.keys import UNASSIGNED
from atlash.tl.agreement import (
    SEGMENTS,
    Compared,
    averages,
    confusion_table,
    confusions,
    type_table,
    unknown_table,
)
from atlash.tl.reliability import calibration, coverage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.tl.answers import Answers


@dataclass(frozen=True)
class Level:
    """How well labels agree with the truth at one level of detail.

    Attributes
    ----------
    name
        Column of ``obs`` that held the truth, or ``"parent of"`` it.
    per_type
        One row a type of the reference; see :attr:`Evaluation.per_type`.
    unknown_types
        One row a type that the reference does not know; see :attr:`Evaluation.unknown_types`.
    confusion
        Counts of cells; see :attr:`Evaluation.confusion`.
    summary
        What it comes to; see :attr:`Evaluation.summary`.
    """

    name: str
    per_type: pd.DataFrame
    unknown_types: pd.DataFrame
    confusion: pd.DataFrame
    summary: dict[str, Any]

    @property
    def confusions(self) -> pd.DataFrame:
        """Pairs of types taken for each other: ``truth``, ``given``, ``cells``, ``share``."""
        return confusions(self.confusion)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON; ``None`` stands for what is not defined."""
        return {
            "level": self.name,
            **self.summary,
            "per_type": _rows(self.per_type.reset_index()),
            "unknown_types": _rows(self.unknown_types.reset_index()),
            "confusions": _rows(self.confusions),
        }


@dataclass(frozen=True)
class Evaluation:
    """How well labels agree with types that are known, from :func:`atlash.tl.evaluate`.

    Its tables are those of the last level, the finest.

    Attributes
    ----------
    levels
        What was found at each level of detail: of types, and before it, with a hierarchy, of
        parents.
    """

    levels: tuple[Level, ...]

    @property
    def per_type(self) -> pd.DataFrame:
        """One row a type of the reference, the most cells first.

        ``segment`` (head, medium or tail by training cells) and ``training_cells``, empty
        without the reference; ``cells`` of the type and cells ``given`` its label;
        ``precision`` (of all cells given the label, also those of types that the reference does
        not know), ``recall``, ``f1``; ``unassigned``, the share of the type's cells, and
        ``parent_only``, the part of these that was given a parent alone, empty at the level of
        parents and without a hierarchy. Types that do not occur have no recall and no F1.
        """
        return self.levels[-1].per_type

    @property
    def unknown_types(self) -> pd.DataFrame:
        """One row a type that occurs and that the reference does not know.

        ``cells``; ``caught``, the share left unassigned or given a parent alone;
        ``most_often``, the label that most of the others were given, with ``most_often_cells``.
        """
        return self.levels[-1].unknown_types

    @property
    def confusion(self) -> pd.DataFrame:
        """Cells of each true type (rows, unknown types last) with each label (columns).

        Cells that were given a parent alone are among the unassigned.
        """
        return self.levels[-1].confusion

    @property
    def summary(self) -> dict[str, Any]:
        """What it comes to, as plain JSON; ``None`` stands for what is not defined.

        ``cells`` with a type, ``unlabelled`` cells left out; ``known``: averages over cells of
        the reference's types (see :func:`atlash.tl.agreement.averages`); ``unknown``: ``types``,
        ``cells``, and the share ``caught``; ``accuracy_assigned``: of all cells given a label,
        the share that is right; ``accuracy_nearest``: of the cells of known types, the share
        whose nearest type is right, assigned or not; ``segments``: averages over head, medium
        and tail; ``calibration`` of the confidence and ``sets`` (coverage, mean size), over
        cells of known types. At the level of parents these are of the nearest type's parent, of
        the cells that were given one, and of the parents of a set's types.

        ``parent_only``, of the finest level with a hierarchy: the ``cells`` that were given a
        parent alone, their ``share`` of the cells with a type, how many have a ``parent_known``
        to be true, and how many of these the right one (``parent_right``).
        """
        return self.levels[-1].summary

    def to_dict(self) -> dict[str, Any]:
        """Return all levels as plain JSON: summary, types, unknown types, confusions."""
        return {"levels": [level.to_dict() for level in self.levels]}

    def to_json(self) -> str:
        """Return :meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)


def evaluate_levels(
    truth: Sequence[tuple[str, NDArray[Any]]], answers: Sequence[Answers]
) -> Evaluation:
    """Compare answers with the truth at each level.

    Parameters
    ----------
    truth
        What each level is called, and the true type of each cell ``(n,)``, ``None`` where it is
        not known; the coarse level first.
    answers
        The answers for the same cells at the same levels.
    """
    above, found = None, []
    for (name, names), given in zip(truth, answers, strict=True):
        found.append(evaluate_level(name, names, given, above=above))
        above = names
    return Evaluation(tuple(found))


def evaluate_level(
    name: str, truth: NDArray[Any], answers: Answers, *, above: NDArray[Any] | None = None
) -> Level:
    """Compare answers with the truth at one level.

    Parameters
    ----------
    name
        What the level is called.
    truth
        True type of each cell ``(n,)``; ``None`` leaves a cell out.
    answers
        The answers for the same cells; one type at least must be true of some cell.
    above
        True parent of each cell ``(n,)``, ``None`` where it is not known.
    """
    kept = pd.notna(truth)
    compared = Compared.of(answers.types, truth[kept], answers.label[kept])
    given = None if answers.parent_only is None else answers.parent_only[kept]
    backed_off = None if given is None else pd.notna(given)
    per_type = type_table(compared, answers.training, backed_off)
    unknown = unknown_table(compared)
    n_unknown = int(unknown["cells"].sum())
    caught = float(np.average(unknown["caught"], weights=unknown["cells"])) if n_unknown else None
    is_right, is_assigned = compared.is_right, compared.is_assigned
    segments = {
        segment: averages(per_type[per_type["segment"] == segment]) for segment in SEGMENTS
    }
    summary = {
        "cells": int(kept.sum()),
        "unlabelled": int((~kept).sum()),
        "reference_types": len(answers.types),
        "known": averages(per_type),
        "unknown": {"types": len(unknown), "cells": n_unknown, "caught": caught},
        "accuracy_assigned": float(is_right[is_assigned].mean()) if is_assigned.any() else None,
        **_of_nearest(compared, answers, kept),
        "segments": segments if answers.training is not None else None,
        "parent_only": _parents_alone(given, above[kept]) if above is not None else None,
    }
    return Level(name, per_type, unknown, confusion_table(compared), summary)


def _parents_alone(given: NDArray[Any] | None, true: NDArray[Any]) -> dict[str, Any] | None:
    """Return what became of cells that were given a parent and no type."""
    if given is None:
        return None
    alone = pd.notna(given)
    return {
        "cells": int(alone.sum()),
        "share": float(alone.mean()),
        "parent_known": int(pd.notna(true[alone]).sum()),
        "parent_right": int((true[alone] == given[alone]).sum()),
    }


def _of_nearest(compared: Compared, answers: Answers, kept: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what is told by the nearest type of all cells, also of those left unassigned."""
    known, found = compared.is_known, dict.fromkeys(("accuracy_nearest", "calibration", "sets"))
    result: dict[str, Any] = dict(found)
    if answers.nearest is not None:
        names = np.array(compared.names, dtype=object)
        right = (names[compared.truth] == answers.nearest[kept])[known]
        result["accuracy_nearest"] = float(right.mean())
    if answers.stated is not None and answers.confidence is not None:
        stated = answers.stated[kept]
        told = known & (stated != UNASSIGNED) & np.isfinite(answers.confidence[kept])
        if told.any():
            right = np.array(compared.names, dtype=object)[compared.truth] == stated
            result["calibration"] = calibration(answers.confidence[kept][told], right[told])
    if answers.sets is not None:
        result["sets"] = coverage(answers.sets[kept][known], compared.truth[known])
    return result


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as plain JSON, a dict a row, at full precision."""
    objects = table.astype(object).where(table.notna(), None)
    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in objects.to_dict("records")
    ]


def _plain(value: Any) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.generic) else value
