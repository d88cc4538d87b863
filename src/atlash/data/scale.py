"""The scale of expression values, found by looking at a random sample of all rows."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from atlash.config import ScaleName
from atlash.data.values import check_finite, report_first
from atlash.errors import InputError, ScaleError, did_you_mean

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.data.source import CellSource

KnownScale = Literal["counts", "normalized", "log1p", "log2p1", "log10p1"]

LOG_BASES: dict[str, float] = {"log1p": math.e, "log2p1": 2.0, "log10p1": 10.0}
"""Base of each logarithmic scale: values are ``log_base(1 + linear)``."""

_COMMON_TARGETS = (1e4, 1e5, 1e6)
_MAX_LOG = 20.0
"""No logarithm of an expression value is larger: log2 of a million is 19.9."""
_LIKELY_LOG = 10.0
_FEW_NEGATIVE = 0.01
"""Share of the stored values up to which negative ones are slips: scaling makes many."""
_N_RATIOS = 4
"""Ratios to the smallest value that a row must have to testify."""


class ScaleWarning(UserWarning):
    """The scale was taken for the likeliest, without proof."""


@dataclass(frozen=True)
class Scale:
    """How expression values are given.

    Parameters
    ----------
    name
        ``counts`` (also expected counts and gene activity), ``normalized`` (linear, divided
        by library size), or the logarithm that was taken after adding 1.
    target_sum
        What the linear values of a cell sum to, ``None`` where cells differ.
    integer
        Whether all values looked at are whole numbers.
    evidence
        What decided, for reports.
    """

    name: KnownScale
    target_sum: float | None
    integer: bool
    evidence: str


def detect_scale(
    source: CellSource,
    *,
    declared: ScaleName = "auto",
    n_rows: int = 2000,
    random_state: int = 0,
) -> Scale:
    """Tell counts, normalised and logarithmic values apart; refuse scaled ones.

    Parameters
    ----------
    source
        The cells.
    declared
        The user's word; only checked for contradiction. ``"auto"`` looks.
    n_rows
        Cells looked at, drawn from all.
    random_state
        Seed of the draw.

    Returns
    -------
    The scale with its evidence.

    Raises
    ------
    InputError
        ``declared`` is no scale.
    ScaleError
        Values are scaled (negative), contradict ``declared``, or cannot be told.
    InvalidValuesError
        NaN, infinite, negative whole numbers, or a few negative values.

    Warns
    -----
    ScaleWarning
        Values look logarithmic, but nothing proves it.

    Notes
    -----
    Whole numbers are counts. Otherwise three facts are tried for each base and for linear
    values: cells sum to the same target; within a cell, values are whole multiples of the
    smallest, which is one molecule (true for a subset of genes as well); and values are too
    large for a logarithm.
    """
    _check_name(declared)
    rng = np.random.default_rng(random_state)
    n_rows = min(n_rows, source.n_cells)
    rows = np.sort(rng.choice(source.n_cells, n_rows, replace=False, shuffle=False))
    sample = source.rows(rows.astype(np.int64))
    check_finite(sample, rows, source)
    stored = sample.data
    values = stored if np.count_nonzero(stored) == stored.size else stored[stored != 0]
    if values.size == 0:
        name = "counts" if declared == "auto" else declared
        return Scale(name, None, integer=True, evidence=f"all values of {n_rows:,} cells are 0")
    whole = bool((values == np.rint(values)).all())
    negative = values.min() < 0
    if declared == "auto" and whole and not negative:
        return Scale("counts", None, integer=True, evidence="all values are whole numbers")
    values = values.astype(np.float64)
    if negative:
        if whole or (values < 0).mean() < _FEW_NEGATIVE:
            report_first(sample, rows, source, bad=sample.data < 0)
        raise ScaleError(_scaled(values, sample, source))
    seen = _Sample(sample, values, whole=whole, half_precision=source.dtype == np.float16)
    if declared != "auto":
        return _declared(declared, seen, source)
    scale = _told(seen)
    return scale if scale is not None else _guessed(seen, source)


def _check_name(declared: object) -> None:
    """Refuse what is no scale: values would be taken for linear ones."""
    known = get_args(ScaleName)
    if isinstance(declared, str) and declared in known:
        return
    msg = (
        f"`scale` is {declared!r}, but must be one of {', '.join(map(repr, known))}."
        f"{did_you_mean(declared, known)}"
    )
    raise InputError(msg)


@dataclass(frozen=True)
class _Sample:
    """Cells looked at, and what is known of them."""

    cells: sp.csr_array
    values: NDArray[np.float64]
    whole: bool
    half_precision: bool

    @property
    def hypotheses(self) -> dict[KnownScale, NDArray[np.float64]]:
        """Linear values, ``(n_stored,)``, under each scale that the maximum allows."""
        stored = self.cells.data.astype(np.float64)
        linear: dict[KnownScale, NDArray[np.float64]] = {"normalized": stored}
        names: tuple[KnownScale, ...] = ("log1p", "log2p1", "log10p1")
        for name in names:
            if self.values.max() <= largest_value(name):
                linear[name] = np.expm1(stored * math.log(LOG_BASES[name]))
        return linear


def largest_value(name: KnownScale) -> float:
    """Return the largest value that makes sense: on logarithmic scales, that of 1e8."""
    return math.log(1e8) / math.log(LOG_BASES[name]) if name in LOG_BASES else math.inf


def _told(seen: _Sample) -> Scale | None:
    """Return the scale that values, not all whole, prove; ``None`` if they prove none."""
    linear = seen.hypotheses
    targets = {name: _constant_sum(values, seen) for name, values in linear.items()}
    constant = [name for name, target in targets.items() if target is not None]
    if len(constant) == 1:
        target = targets[constant[0]]
        evidence = f"linear values of each cell sum to {target:,.6g}"
        return Scale(constant[0], target, integer=False, evidence=evidence)
    deviations = {name: _one_count_deviation(values, seen) for name, values in linear.items()}
    multiples = {name: dev for name, dev in deviations.items() if dev is not None}
    if multiples:
        name = min(multiples, key=lambda key: multiples[key])
        evidence = "linear values are whole multiples of each cell's smallest"
        return Scale(name, targets[name], integer=False, evidence=evidence)
    share = float((seen.values == np.rint(seen.values)).mean())
    if share > 0.2:
        evidence = f"{share:.0%} of the values are whole numbers: expected counts"
        return Scale("counts", None, integer=False, evidence=evidence)
    if seen.values.max() > _MAX_LOG:
        evidence = f"the largest value, {seen.values.max():,.6g}, is too large for a logarithm"
        return Scale("counts", None, integer=False, evidence=evidence)
    return None


def _constant_sum(linear: NDArray[np.float64], seen: _Sample) -> float | None:
    """Return what all cells sum to, ``None`` if they differ."""
    n_rows = seen.cells.shape[0]
    row = np.repeat(np.arange(n_rows), np.diff(seen.cells.indptr))
    sums = np.bincount(row, weights=linear, minlength=n_rows)
    sums = sums[sums > 0]
    tolerance = 2e-2 if seen.half_precision else 2e-3
    low, target, high = np.quantile(sums, [0.05, 0.5, 0.95])
    if high - low > tolerance * target:
        return None
    # Two or three cells may agree by chance, but not on a round target as well.
    common = any(abs(target - known) < tolerance * known for known in _COMMON_TARGETS)
    return float(target) if common or sums.size > 3 else None


def _one_count_deviation(linear: NDArray[np.float64], seen: _Sample) -> float | None:
    """Return how far values are from whole multiples of their cell's smallest.

    Values rounded to 3 decimals (or half precision) blur large multiples; only those that
    must be sharp within a tenth are looked at. ``None`` unless half of the cells agree.
    """
    n_rows = seen.cells.shape[0]
    positive = linear > 0
    row = np.repeat(np.arange(n_rows), np.diff(seen.cells.indptr))[positive]
    linear, stored = linear[positive], seen.cells.data[positive].astype(np.float64)
    smallest = np.full(n_rows, np.inf)
    np.minimum.at(smallest, row, linear)
    ratio = linear / smallest[row]
    step = 2.0**-11 * stored if seen.half_precision else 5e-4
    blur = 2 * ratio * step * (1 + 1 / smallest[row])
    usable = (ratio > 1.5) & (ratio < 20.5) & (blur < 0.1)
    row, ratio = row[usable], ratio[usable]
    off = np.abs(ratio - np.rint(ratio))
    n_ratios = np.bincount(row, minlength=n_rows)
    n_whole = np.bincount(row[off < 0.1], minlength=n_rows)
    testifies = n_ratios >= _N_RATIOS
    agrees = n_whole[testifies] >= 0.9 * n_ratios[testifies]
    return float(off.mean()) if agrees.size and agrees.mean() >= 0.5 else None


def _guessed(seen: _Sample, source: CellSource) -> Scale:
    """Return log1p with a warning where it is likely, else raise."""
    values = seen.values
    largest, median = values.max(), np.median(values)
    measured = (
        f"{source.name} has values that are not whole numbers, from {values.min():.3g} to "
        f"{largest:.3g} (median {median:.3g}); cells neither sum to one total nor are whole "
        "multiples of one molecule, on a linear or logarithmic scale"
    )
    options = (
        "Say what they are with `scale`: 'counts' (also expected counts), 'normalized', "
        "'log1p', 'log2p1' or 'log10p1'"
    )
    if largest <= _LIKELY_LOG and largest < 15 * median:
        msg = f"{measured}. They are taken as natural log1p values. {options}."
        warnings.warn(msg, ScaleWarning, stacklevel=3)
        return Scale("log1p", None, integer=False, evidence="small values that are not whole")
    msg = f"{measured}, so their scale cannot be told. {options}{_or_read(source)}."
    raise ScaleError(msg)


def _declared(declared: KnownScale, seen: _Sample, source: CellSource) -> Scale:
    """Take the user's word unless the values contradict it."""
    largest = seen.values.max()
    if declared in LOG_BASES:
        bound = largest_value(declared)
        reason = ""
        if largest > bound:
            reason = (
                f"the largest value is {largest:,.6g}, and no such logarithm exceeds {bound:.1f}"
            )
        elif seen.whole and largest > 1:
            reason = f"all values are whole numbers up to {largest:,.0f}, so they look like counts"
        if reason:
            msg = (
                f"{source.name} was declared {declared!r}, but {reason}. Correct `scale`, or "
                "leave it 'auto' to have it detected."
            )
            raise ScaleError(msg)
    linear = seen.hypotheses.get(declared)
    target = _constant_sum(linear, seen) if linear is not None else None
    return Scale(declared, target, integer=seen.whole, evidence="declared")


def _scaled(values: NDArray[np.float64], sample: sp.csr_array, source: CellSource) -> str:
    """Word the refusal of values with a negative side."""
    size = sample.shape[0] * sample.shape[1]
    mean = values.sum() / size
    sd = math.sqrt(max(np.square(values).sum() / size - mean**2, 0.0))
    return (
        f"{source.name} looks scaled: in {sample.shape[0]:,} cells looked at, values run from "
        f"{values.min():.3g} to {values.max():.3g} (mean {mean:.3g}, standard deviation "
        f"{sd:.3g}) and {(values < 0).sum() / size:.0%} are negative. Counts or log-normalised "
        f"values, at least 0, are needed{_or_read(source)}."
    )


def _or_read(source: CellSource) -> str:
    """Offer the other matrices of the source."""
    if not source.alternatives:
        return "; read the file from before it was scaled"
    offers = ["no `layer`" if n == "X" else f"`layer={n!r}`" for n in source.alternatives]
    return f"; the same cells have others, try {' or '.join(offers)}"
