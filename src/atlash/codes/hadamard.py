"""Hadamard matrices: square, of -1 and +1, any two rows apart in exactly half the places."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@cache
def hadamard(order: int) -> NDArray[np.int8] | None:
    """Return a Hadamard matrix of this order, or None if none of the constructions gives one.

    Sylvester's doubling, and Paley's two constructions over prime fields (J. Math. Phys. 12,
    1933). Together they cover every multiple of 8 up to 176 and most beyond.
    """
    if order in (1, 2):
        return np.array([[1, 1], [1, -1]], dtype=np.int8)[:order, :order]
    if order < 4 or order % 4:
        return None
    if _is_prime(order - 1):
        return _paley_one(order - 1)
    half = hadamard(order // 2)
    if half is not None:
        return np.kron(np.array([[1, 1], [1, -1]], dtype=np.int8), half)
    if _is_prime(order // 2 - 1) and (order // 2 - 1) % 4 == 1:
        return _paley_two(order // 2 - 1)
    return None


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


def _jacobsthal(prime: int) -> NDArray[np.int8]:
    """Quadratic character of ``i - j`` modulo a prime."""
    character = np.full(prime, -1, dtype=np.int8)
    character[np.arange(prime) ** 2 % prime] = 1
    character[0] = 0
    index = np.arange(prime)
    table: NDArray[np.int8] = character[(index[:, None] - index) % prime]
    return table


def _paley_one(prime: int) -> NDArray[np.int8]:
    """Order ``prime + 1`` for a prime that is 3 modulo 4."""
    matrix = np.ones((prime + 1, prime + 1), dtype=np.int8)
    matrix[1:, 1:] = _jacobsthal(prime) + np.eye(prime, dtype=np.int8)
    matrix[1:, 0] = -1
    return matrix


def _paley_two(prime: int) -> NDArray[np.int8]:
    """Order ``2 (prime + 1)`` for a prime that is 1 modulo 4."""
    symmetric = np.ones((prime + 1, prime + 1), dtype=np.int8)
    symmetric[0, 0] = 0
    symmetric[1:, 1:] = _jacobsthal(prime)
    sign = np.array([[1, 1], [1, -1]], dtype=np.int8)
    diagonal = np.array([[1, -1], [-1, -1]], dtype=np.int8)
    return np.kron(symmetric, sign) + np.kron(np.eye(prime + 1, dtype=np.int8), diagonal)
