"""Compiled loops over rows of sparse cells; sums are of whole numbers, so order is nothing."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)
_WORD = 64
_THINNING = np.uint64(1023)
"""Stands where the number of a split does."""


@numba.njit(cache=True, nogil=True)
def mixed(word: np.uint64) -> np.uint64:
    """Return 64 bits that look random, by the finaliser of SplitMix64 (Steele et al. 2014)."""
    word += _GOLDEN
    word = (word ^ (word >> _S30)) * _MIX_1
    word = (word ^ (word >> _S27)) * _MIX_2
    return word ^ (word >> _S31)


@numba.njit(cache=True, nogil=True)
def add_moments(  # noqa: PLR0917 - numba takes arguments by position
    indptr: Integers,
    genes: NDArray[np.int32],
    logged: NDArray[np.float32],
    group: NDArray[np.int32],
    log_steps: float,
    linear_steps: float,
    sums: Integers,
) -> None:
    """Add cells to sums ``(5, n_groups, n_genes)``.

    They hold, for each gene and group: cells with the gene, sums and sums of squares of the
    logarithm, and the same of the linear value, each rounded to steps.
    """
    for row in range(indptr.size - 1):
        of_group = sums[:, group[row]]
        for entry in range(indptr[row], indptr[row + 1]):
            gene, value = genes[entry], logged[entry]
            log = np.int64(np.rint(log_steps * value))
            linear = np.int64(np.rint(linear_steps * np.expm1(np.float64(value))))
            of_group[0, gene] += 1
            of_group[1, gene] += log
            of_group[2, gene] += log * log
            of_group[3, gene] += linear
            of_group[4, gene] += linear * linear


@numba.njit(cache=True, nogil=True)
def fill_tile(  # noqa: PLR0917
    indptr: Integers,
    features: NDArray[np.int32],
    logged: NDArray[np.float32],
    steps: float,
    most: NDArray[np.float32],
    tile: NDArray[np.float32],
) -> None:
    """Write cells densely, in whole steps and at most ``most`` of them."""
    tile[:] = 0
    for row in range(indptr.size - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            feature = features[entry]
            tile[row, feature] = min(np.float32(np.rint(steps * logged[entry])), most[feature])


@numba.njit(cache=True, nogil=True)
def hash_rows(
    indptr: Integers, features: NDArray[np.int32], logged: NDArray[np.float32]
) -> NDArray[np.uint64]:
    """Return a number for what each cell holds ``(n,)``; the order of its entries is nothing."""
    bits = logged.view(np.uint32)
    numbers = np.empty(indptr.size - 1, np.uint64)
    for row in range(numbers.size):
        total = np.uint64(0)
        for entry in range(indptr[row], indptr[row + 1]):
            total += mixed((np.uint64(features[entry]) << np.uint64(32)) | np.uint64(bits[entry]))
        numbers[row] = mixed(total)
    return numbers


@numba.njit(cache=True, nogil=True)
def _n_set(word: np.uint64) -> int:
    n = 0
    while word:
        word &= word - np.uint64(1)
        n += 1
    return n


@numba.njit(cache=True, nogil=True)
def halve(  # noqa: PLR0917
    indptr: Integers,
    features: NDArray[np.int32],
    counts: NDArray[np.float32],
    key: NDArray[np.uint64],
    split: int,
    half: NDArray[np.float32],
) -> None:
    """Write how much of each count ``(n_stored,)`` falls into the first half.

    Each molecule is thrown by its own random bit, which the cell's key, the feature and the
    number of the split decide. What is left over a whole number is thrown as one.
    """
    for row in range(indptr.size - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            stream = mixed(
                key[row] ^ mixed(np.uint64(features[entry]) * np.uint64(1024) + np.uint64(split))
            )
            whole = np.int64(np.floor(counts[entry]))
            rest = counts[entry] - np.float32(whole)
            thrown = 0
            left = whole
            while left > 0:
                stream = mixed(stream)
                if left < _WORD:
                    thrown += _n_set(stream & ((np.uint64(1) << np.uint64(left)) - np.uint64(1)))
                else:
                    thrown += _n_set(stream)
                left -= _WORD
            half[entry] = thrown
            if rest > 0 and mixed(stream) & np.uint64(1):
                half[entry] += rest


@numba.njit(cache=True, nogil=True)
def _some_set(stream: np.uint64, sixteenths: int) -> np.uint64:
    """Return a word with each bit set with a probability of so many sixteenths, below 16.

    Four random words give each bit a number below 16; it is set where that is small enough.
    """
    less, undecided = np.uint64(0), ~np.uint64(0)
    for place in range(3, -1, -1):
        word = mixed(stream ^ mixed(np.uint64(place)))
        if (sixteenths >> place) & 1:
            less |= undecided & ~word
            undecided &= word
        else:
            undecided &= ~word
    return less


@numba.njit(cache=True, nogil=True)
def thin(  # noqa: PLR0917
    indptr: Integers,
    features: NDArray[np.int32],
    counts: NDArray[np.float32],
    key: NDArray[np.uint64],
    sixteenths: int,
    kept: NDArray[np.float32],
) -> None:
    """Write how much of each count ``(n_stored,)`` a thinned copy of its cell keeps.

    Each molecule is kept with a probability of 1 to 15 sixteenths, which the cell's key and the
    feature decide. What is left over a whole number is kept or lost as one.
    """
    for row in range(indptr.size - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            stream = mixed(
                key[row] ^ mixed(np.uint64(features[entry]) * np.uint64(1024) + _THINNING)
            )
            left = np.int64(np.floor(counts[entry]))
            rest = counts[entry] - np.float32(left)
            n_kept = 0
            while left > 0:
                stream = mixed(stream)
                word = _some_set(stream, sixteenths)
                if left < _WORD:
                    word &= (np.uint64(1) << np.uint64(left)) - np.uint64(1)
                n_kept += _n_set(word)
                left -= _WORD
            kept[entry] = n_kept
            if rest > 0 and _some_set(mixed(stream), sixteenths) & np.uint64(1):
                kept[entry] += rest
