"""Auditing a reference: what is odd about its cells and its bits, in linear time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlash.errors import InputError, KeyNotFoundError, did_you_mean
from atlash.reference.audit_bits import audit_bits
from atlash.reference.audit_duplicates import code_duplicates, name_duplicates
from atlash.reference.audit_scan import CHUNK, Scan
from atlash.reference.columns import CELL_ID, own_column, user_names

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from atlash.reference.audit_labels import Worst
    from atlash.reference.reference import Reference


@dataclass(frozen=True)
class AuditReport:
    """What an audit found; from :func:`audit`.

    Attributes
    ----------
    summary
        Counts of every finding, as plain JSON; what could not be told has ``"skipped"`` with the
        reason.
    duplicates
        Cells that may be there more than once, one row a cell: ``kind`` (``"code"``: the same
        code; ``"name"``: names of one stem and the same label in several batches), ``group``,
        ``row``, ``cell_id``, ``label``, ``batch``, ``cells`` and ``batches`` of the group,
        ``same_name`` (whether cells of the group have names of one stem) and ``bits_apart``
        (from the first cell of the group).
    midway
        Cells about as near to a second anchor as to the first, those of least margin first:
        ``row``, ``cell_id``, ``label``, ``batch``, ``first``, ``second``, ``margin`` in bits,
        and ``aside``: bits by which the code lies off the ways between the two anchors, few for
        a doublet.
    bits
        One row a bit, see :func:`atlash.reference.audit_bits.audit_bits`.
    mislabelled
        Cells nearer to another anchor than to that of their label, the surest first: ``row``,
        ``cell_id``, ``label``, ``batch``, ``nearest``, ``margin`` (bits by which that is nearer)
        and ``distance`` to it in bits. Cells were learned from with their labels, so that there
        may be more.
    """

    summary: dict[str, Any]
    duplicates: pd.DataFrame
    midway: pd.DataFrame
    bits: pd.DataFrame
    mislabelled: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return one row a finding: ``finding``, then the columns of all tables.

        Bits without a fault are left out. What a finding does not have is missing.
        """
        parts = {
            "duplicate": self.duplicates,
            "midway": self.midway,
            "dead bit": self.bits[self.bits["dead"]],
            "batch-revealing bit": self.bits[self.bits["batch_revealing"]],
            "mislabelled": self.mislabelled,
        }
        columns = list(dict.fromkeys(name for part in parts.values() for name in part))
        frames = [
            part.convert_dtypes().assign(finding=finding)
            for finding, part in parts.items()
            if len(part)
        ]
        joined = pd.concat(frames) if frames else pd.DataFrame()
        return joined.reindex(columns=["finding", *columns]).reset_index(drop=True)


def audit(
    reference: Reference,
    *,
    batch_key: str | None = None,
    most: int = 1000,
    progress: bool = False,
) -> AuditReport:
    """Look for duplicated cells, cells between types, odd bits and doubtful labels.

    Parameters
    ----------
    reference
        From :meth:`atlash.Reference.build` or :meth:`atlash.Reference.load`.
    batch_key
        Column with the batch, donor or study; ``None`` stands for the one that the reference
        was built with, if any.
    most
        Rows of each table at most; the summary counts all.
    progress
        Show a bar.

    Returns
    -------
    Tables and their summary.

    Raises
    ------
    KeyNotFoundError
        If there is no such column; the message has the nearest names.
    InputError
        If ``most`` is no whole number from 0, or the column has more than 10,000 values.
    ReferenceFileError
        If the cells cannot be read.
    """
    if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 0:
        msg = f"`most` is {most!r}, but must be a whole number of rows, at least 0."
        raise InputError(msg)
    schema = reference.cells.schema
    if batch_key is None:  # the column that it was built with may be gone since
        column = own_column(reference.meta.get("batch_key"), schema)
    else:
        column = _stored(batch_key, schema)
    scan = Scan(
        reference.cells,
        reference.annotator.learned_anchors,
        reference.types,
        batch_column=column,
        most=int(most),
    )
    return audit_cells(scan, progress=progress)


def audit_cells(scan: Scan, *, size: int = CHUNK, progress: bool = False) -> AuditReport:
    """Run a scan over all cells, ``size`` at a time, and tell what it found."""
    scan.run(size=size, progress=progress)
    most = scan.tally.midway.most
    by_code, same_code = code_duplicates(scan, most)
    by_name, same_name = name_duplicates(scan, most)
    bits, bit_table = audit_bits(scan.counts, 8 * scan.n_bytes, 8 * scan.n_anchor_bytes)
    names = scan.label_names.all
    cells_of_label = np.bincount(scan.labels[scan.labels >= 0], minlength=len(names))
    summary = {
        "cells": scan.n,
        "batch_column": scan.batch_column,
        "batches": len(scan.batch_names.all) if scan.batch_column else None,
        "duplicates": {"by_code": by_code, "by_name": by_name},
        "midway": scan.tally.midway_summary(names, most),
        "bits": bits,
        "mislabelled": scan.tally.mislabelled_summary(names, cells_of_label, most),
    }
    duplicates = same_code if same_name.empty else same_name
    if len(same_code) and len(same_name):
        duplicates = pd.concat([same_code, same_name], ignore_index=True)
    return AuditReport(
        summary=summary,
        duplicates=duplicates[:most],
        midway=_listed(scan.tally.midway, scan, ["first", "second"], ["margin", "aside"]),
        bits=bit_table,
        mislabelled=_listed(scan.tally.mislabelled, scan, ["nearest"], ["margin", "distance"]),
    )


def _listed(worst: Worst, scan: Scan, types: list[str], numbers: list[str]) -> pd.DataFrame:
    """Return the rows that were kept, with names of cells, labels, batches and types."""
    empty: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    rows = worst.kept.get("row", empty)
    named = {name: worst.kept.get(name, empty).astype(np.int32) for name in ["label", *types]}
    about: pa.Table = scan.take(rows, [CELL_ID])
    content: dict[str, Any] = {
        "row": rows,
        CELL_ID: about[CELL_ID].to_pylist(),
        "label": scan.label_names.of(named["label"]),
        "batch": scan.batch_names.of(scan.batch_of[rows]),
    }
    content |= {name: scan.label_names.of(named[name]) for name in types}
    content |= {name: worst.kept.get(name, empty) for name in numbers}
    return pd.DataFrame(content)


def _stored(batch_key: str, schema: pa.Schema) -> str:
    """Return the stored column that the user calls ``batch_key``."""
    stored = own_column(batch_key, schema)
    if stored is not None:
        return stored
    named = user_names(schema)
    hint = did_you_mean(str(batch_key), named.values(), most=3)
    listed = ", ".join(map(repr, named.values())) or "no columns"
    msg = f"The cells have no column {batch_key!r}; obs had {listed}.{hint}"
    raise KeyNotFoundError(msg)
