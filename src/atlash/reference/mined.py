"""What mining chose and what it left out, as a table that a person can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from atlash.models.learn import LearnReport
    from atlash.models.mining import Mined

HARD, SUSPICIOUS = "hard", "suspicious"


def mined_frame(
    mined: Mined, ids: Sequence[str], *, labels: NDArray[np.int64], types: Sequence[str]
) -> pd.DataFrame:
    """Return one row a cell that was chosen or left out, suspicious ones first.

    Parameters
    ----------
    mined
        What was found.
    ids
        Names of the training cells ``(n,)``.
    labels
        Their types ``(n,)``.
    types
        Names of the types.

    Returns
    -------
    Columns ``cell_id``, ``type``, ``status`` (``"suspicious"`` or ``"hard"``), ``margin`` (NaN:
    never held out), ``looks_like`` (missing: never held out), ``probability`` (of that type),
    ``own_probability`` and ``own_agreement`` (of the neighbours); the least margins first.
    """
    rows = np.concatenate([mined.suspicious, mined.hard])
    evidence = mined.evidence
    names = np.array([*types, None], dtype=object)  # -1, for no type, is the last
    frame = pd.DataFrame(
        {
            "cell_id": [ids[row] for row in rows],
            "type": names[labels[rows]],
            "status": np.repeat([SUSPICIOUS, HARD], [len(mined.suspicious), len(mined.hard)]),
            "margin": evidence.margin[rows],
            "looks_like": names[evidence.looks_like[rows]],
            "probability": evidence.probability[rows],
            "own_probability": evidence.own_probability[rows],
            "own_agreement": evidence.own_agreement[rows],
        }
    )
    order = np.lexsort((frame["margin"], frame["status"] == HARD))
    return frame.iloc[order].reset_index(drop=True)


def mining_story(report: LearnReport) -> Mapping[str, Any]:
    """Return what the facts of a reference say of mining; nothing if there was none."""
    mined = report.mined
    if mined is None:
        return {}
    return {
        "mining": {
            "n_hard": len(mined.hard),
            "n_suspicious": len(mined.suspicious),
            "n_never_held_out": int(np.isnan(mined.evidence.margin).sum()),
            "n_steps": report.n_second_steps,
        }
    }
