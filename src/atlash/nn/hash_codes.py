"""Learned hash heads as plain arrays, and the codes they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from atlash.nn.tiles import Floats


@dataclass(frozen=True)
class SignWeights:
    """Heads of sigmoids.

    Attributes
    ----------
    weight, bias
        ``(n_dims, n_heads n_bits)``, ``(n_heads n_bits,)``.
    heads
        Number of heads ``(1,)``.
    """

    weight: Floats
    bias: Floats
    heads: NDArray[np.int64]

    def codes(self, embedding: Floats) -> NDArray[np.int32]:
        """Return the bucket of each head ``(n, n_heads)``, below ``2^n_bits``."""
        from atlash.nn._codes import sign_codes  # numba: imported when needed

        out = np.empty((len(embedding), int(self.heads[0])), dtype=np.int32)
        sign_codes(np.ascontiguousarray(embedding, np.float32), self.weight, self.bias, out)
        return out

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by name."""
        return {"sign.weight": self.weight, "sign.bias": self.bias, "sign.heads": self.heads}


@dataclass(frozen=True)
class WordWeights:
    """Heads of words.

    Attributes
    ----------
    directions
        From which each head looks at the embedding ``(n_heads, n_dims, width)``.
    words
        ``(n_heads, n_words, width)``.
    """

    directions: Floats
    words: Floats

    def codes(self, embedding: Floats) -> NDArray[np.int32]:
        """Return the nearest word of each head ``(n, n_heads)``, below ``n_words``."""
        from atlash.nn._codes import word_codes  # numba: imported when needed

        out = np.empty((len(embedding), len(self.words)), dtype=np.int32)
        word_codes(np.ascontiguousarray(embedding, np.float32), self.directions, self.words, out)
        return out

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by name."""
        return {"words.directions": self.directions, "words.words": self.words}


HeadWeights = SignWeights | WordWeights


def heads_from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> HeadWeights | None:
    """Return the heads that ``arrays`` holds, of whichever form; ``None`` without any."""
    found = {k.removeprefix("sign."): v for k, v in arrays.items() if k.startswith("sign.")}
    if found:
        return SignWeights(**found)  # type: ignore[arg-type]
    found = {k.removeprefix("words."): v for k, v in arrays.items() if k.startswith("words.")}
    return WordWeights(**found) if found else None  # type: ignore[arg-type]
