"""Words of dual BCH codes: more anchors than a Hadamard matrix has, still far apart.

The word of ``(a, b, c)`` over the field of ``n = 2^m`` elements has the bit
``Tr(a x) + Tr(b x^3) + c`` at place ``x``. The ``2 n^2`` words are at least
``n/2 - 2^(m/2)`` bits apart (``m`` even) or ``n/2 - 2^((m-1)/2)`` (``m`` odd); see MacWilliams
and Sloane, The Theory of Error-Correcting Codes, chapter 9. Other lengths join words of
the powers of two that they are the sum of.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIMITIVE = {3: 0b1011, 4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10001001,
             8: 0b100011101, 9: 0b1000010001, 10: 0b10000001001}  # fmt: skip
"""Primitive polynomials of the binary fields, by degree."""


def n_dual_bch_words(n_bits: int) -> int:
    """Count the distinct words of ``n_bits`` bits, a multiple of 8."""
    return int(2 * 4 ** max(_degrees(n_bits)))


def dual_bch_words(n_words: int, n_bits: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw distinct words ``(n_words, n_bits)`` of -1 and +1."""
    parts = []
    for degree in _degrees(n_bits):
        n_distinct = 2 * 4**degree
        draws = [rng.permutation(n_distinct) for _ in range(-(-n_words // n_distinct))]
        parts.append(_words(np.concatenate(draws)[:n_words], degree))
    flips = rng.choice(np.array([-1, 1], dtype=np.int8), size=n_bits)
    words: NDArray[np.int8] = np.concatenate(parts, axis=1) * flips
    return words


def _degrees(n_bits: int) -> list[int]:
    """Split a length into powers of two that have a field, longest first."""
    degrees = []
    for degree in sorted(PRIMITIVE, reverse=True):
        count, n_bits = divmod(n_bits, 2**degree)
        degrees += [degree] * count
    return degrees


def _words(index: NDArray[np.int64], degree: int) -> NDArray[np.int8]:
    """Evaluate the words with these numbers: ``index = (a n + b) 2 + c``."""
    trace_of_product, cubes = _field(degree)
    a, b = np.divmod(index >> 1, 2**degree)
    bits = trace_of_product[a] ^ trace_of_product[b][:, cubes] ^ (index & 1)[:, None].astype(bool)
    return np.where(bits, 1, -1).astype(np.int8)


@cache
def _field(degree: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return ``Tr(a x)`` for all pairs, and ``x^3`` for all x, of the field of this degree."""
    size = 2**degree
    power = np.ones(size - 1, dtype=np.int64)
    for i in range(1, size - 1):
        doubled = int(power[i - 1]) << 1
        power[i] = doubled ^ PRIMITIVE[degree] if doubled & size else doubled
    log = np.zeros(size, dtype=np.int64)
    log[power] = np.arange(size - 1)

    product = np.zeros((size, size), dtype=np.int64)
    product[1:, 1:] = power[(log[1:, None] + log[1:]) % (size - 1)]
    trace = element = np.arange(size)
    for _ in range(degree - 1):
        element = product[element, element]
        trace = trace ^ element
    cubes = product[product.diagonal(), np.arange(size)]
    return trace[product].astype(bool), cubes
