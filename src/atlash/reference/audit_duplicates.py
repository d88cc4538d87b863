"""Cells that are there more than once: by their codes, and by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.codes.census import code_keys
from atlash.codes.pack import as_words
from atlash.reference.audit_pairs import (
    Pairs,
    all_pairs,
    equal_pairs,
    pairs_by_chance,
    pairs_of_groups,
)
from atlash.reference.columns import CELL_ID, CODE, codes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.reference.audit_scan import Scan

FALSE_ALARM = 0.01
COLUMNS = [
    "kind", "group", "row", "cell_id", "label", "batch", "cells", "batches", "same_name",
    "bits_apart",
]  # fmt: skip


def code_duplicates(scan: Scan, most: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Find groups of cells with the same code.

    Parameters
    ----------
    scan
        What was found in all cells.
    most
        Rows of the table.

    Returns
    -------
    Counts, observed and expected by chance, as plain JSON; and one row a cell, groups of several
    batches first, of these those with cells of one name, then larger ones.
    """
    if scan.n_bytes <= scan.n_anchor_bytes:
        reason = (
            f"Codes of {8 * scan.n_bytes} bits that tell types alone are the same for many cells "
            "of a type, so that duplicates cannot be told from them."
        )
        return {"skipped": reason}, _empty()
    rows = repeated(scan.keys)
    table = _groups(rows, scan.keys[rows], scan)
    seen = equal_pairs(scan.keys[rows], scan.batch_of[rows])
    chance = _expected(scan, seen)
    across = table["batches"] > 1
    summary = {
        "cells": len(table),
        "groups": int(table["group"].nunique()),
        "groups_across_batches": int(table["group"][across].nunique()),
        "groups_with_one_name": int(table["group"][table["same_name"]].nunique()),
        "largest_group": int(table["cells"].max()) if len(table) else 0,
        "pairs_within_batches": _told(seen.within, chance.within),
        "pairs_across_batches": _told(seen.across, chance.across),
    }
    order = np.lexsort(
        (table["row"], table["group"], -table["cells"], ~table["same_name"], ~across)
    )
    return summary, _listed(table.iloc[order[:most]], scan, "code")


def name_duplicates(scan: Scan, most: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Find cells of several batches whose names have one stem, and whose labels are the same.

    Barcodes are used again from one run to the next, so that names alone prove little: if such
    pairs have one label more often than pairs of these batches do, some are one cell.

    Parameters
    ----------
    scan
        What was found in all cells.
    most
        Rows of the table.

    Returns
    -------
    Counts as plain JSON; and one row a cell, none if labels agree no more often than by chance
    (binomial, 1 %). A stem that occurs twice in a batch names no cell and is left out.
    """
    if len(np.unique(scan.counts.groups[:, 1])) < 2:
        return {"skipped": "There is one batch, and names are compared between batches."}, _empty()
    rows = repeated(scan.stems)
    rows = rows[scan.labels[rows] >= 0]
    named = _groups(rows, scan.stems[rows], scan)
    rows = named["row"][(named["batches"] > 1) & (named["cells"] == named["batches"])].to_numpy()
    stems, labels, batches = scan.stems[rows], scan.labels[rows], scan.batch_of[rows]
    with_label = code_keys(np.stack([stems, labels.astype(np.uint64)], axis=1))
    pairs = int(equal_pairs(stems, batches).across)
    agreeing = int(equal_pairs(with_label, batches).across)
    by_chance = _label_agreement(scan)
    summary = {
        "pairs": pairs,
        "pairs_of_one_label": agreeing,
        "pairs_of_one_label_expected": by_chance * pairs,
        "likely_one_cell": _likely_one_cell(agreeing, pairs, by_chance),
    }
    if not summary["likely_one_cell"]:
        return summary, _empty()
    table = _groups(rows, with_label, scan)
    table = table[table["batches"] > 1]
    order = np.lexsort((table["row"], table["group"]))
    return summary, _listed(table.iloc[order[:most]], scan, "name")


def repeated(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the ascending places of keys ``(n,)`` that occur more than once."""
    ordered = np.sort(keys)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(twice) == 0:
        return np.empty(0, dtype=np.int64)
    place = np.minimum(np.searchsorted(twice, keys), len(twice) - 1)
    return np.flatnonzero(twice[place] == keys)


def _groups(rows: NDArray[np.int64], keys: NDArray[np.uint64], scan: Scan) -> pd.DataFrame:
    """Return one row a cell: its group, numbered by first cells, and what the group is like."""
    group = pd.factorize(keys)[0]
    frame = pd.DataFrame({"group": group, "row": rows, "batch": scan.batch_of[rows]})
    n_groups = int(group.max(initial=-1)) + 1
    cells = np.bincount(group, minlength=n_groups)
    batches = frame.drop_duplicates(["group", "batch"])["group"]
    named = frame[["group"]].assign(stem=scan.stems[rows])
    same = np.zeros(n_groups, dtype=bool)
    same[named["group"][named.duplicated()]] = True
    frame["cells"] = cells[group]
    frame["batches"] = np.bincount(batches, minlength=n_groups)[group]
    frame["same_name"] = same[group]
    return frame


def _expected(scan: Scan, seen: Pairs) -> Pairs:
    """Return the pairs with one code to expect by chance among all cells."""
    drawn = scan.batch_of[scan.sampled]
    every, sampled = all_pairs(scan.batch_of), all_pairs(drawn)
    share = [s / e if e else 0.0 for s, e in zip(sampled, every, strict=True)]
    scaled = Pairs(seen.within * share[0], seen.across * share[1])
    chance = pairs_by_chance(scan.sample, drawn, 8 * scan.n_bytes, observed=scaled)
    return Pairs(*(c / s if s else 0.0 for c, s in zip(chance, share, strict=True)))


def _likely_one_cell(agreeing: int, pairs: int, by_chance: float) -> float | None:
    """Return how many pairs are one cell; ``None`` if all cells have one label."""
    from scipy.stats import binom

    if by_chance >= 1:
        return None
    if binom.sf(agreeing - 1, pairs, by_chance) > FALSE_ALARM:
        return 0.0
    return (agreeing - by_chance * pairs) / (1 - by_chance)


def _label_agreement(scan: Scan) -> float:
    """Return the share of pairs of labelled cells of two batches that have one label."""
    labelled = scan.counts.groups[:, 0] >= 0
    sizes = scan.counts.sizes[labelled]
    label, batch = scan.counts.groups[labelled].T
    alike = sum(pairs_of_groups(sizes[label == kind]).across for kind in np.unique(label))
    every = pairs_of_groups(np.bincount(batch + 1, weights=sizes).astype(np.int64)).across
    return alike / every if every else 0.0


def _listed(table: pd.DataFrame, scan: Scan, kind: str) -> pd.DataFrame:
    """Return the rows that are shown, with names of cells, labels and batches."""
    rows = table["row"].to_numpy()
    stored = scan.take(rows, [CELL_ID, CODE])
    words = as_words(codes_of(stored))
    group, first = np.unique(table["group"].to_numpy(), return_index=True)
    leader = first[np.searchsorted(group, table["group"])] if len(group) else rows
    return pd.DataFrame(
        {
            "kind": kind,
            "group": pd.factorize(table["group"])[0] + 1,
            "row": rows,
            "cell_id": stored[CELL_ID].to_pylist(),
            "label": scan.label_names.of(scan.labels[rows]),
            "batch": scan.batch_names.of(scan.batch_of[rows]),
            "cells": table["cells"].to_numpy(),
            "batches": table["batches"].to_numpy(),
            "same_name": table["same_name"].to_numpy(),
            "bits_apart": np.bitwise_count(words ^ words[leader]).sum(axis=1).astype(np.int64),
        },
        columns=COLUMNS,
    )


def _told(observed: float, expected: float) -> dict[str, float]:
    return {"observed": int(observed), "expected_by_chance": round(expected, 3)}


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS)
