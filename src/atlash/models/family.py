"""Parents of the types, and how sure a parent is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from atlash.models.detector import Judgement


@dataclass(frozen=True)
class Family:
    """Which type is a child of which parent.

    Attributes
    ----------
    parents
        Names of the parents, in the order in which the types name them.
    of_type
        Parent of each type ``(n_types,)``, an index into ``parents``.
    """

    parents: list[str]
    of_type: NDArray[np.int64]

    @classmethod
    def of(cls, parent_of_type: Sequence[str]) -> Family:
        """Return the family of types, given the name of each one's parent."""
        parents = list(dict.fromkeys(parent_of_type))
        number = {name: index for index, name in enumerate(parents)}
        return cls(parents, np.array([number[name] for name in parent_of_type], dtype=np.int64))

    def probabilities(self, of_types: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the probability of each parent: the sum over its children.

        Parameters
        ----------
        of_types
            Probability of each learned type ``(n, n_learned)``; registered types, which follow
            the learned ones, have none yet.

        Returns
        -------
        ``(n, n_parents)``, float32 in [0, 1].
        """
        summed = np.zeros((len(of_types), len(self.parents)))
        # one column after the other: a matrix product may round otherwise for other shapes
        for kind in range(of_types.shape[1]):
            summed[:, self.of_type[kind]] += of_types[:, kind]
        return np.minimum(summed, 1).astype(np.float32)

    def nearest_of_likeliest(
        self, agreement: NDArray[np.float32], of_parents: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Return the most similar learned type of the likeliest parent ``(n,)``.

        Parameters
        ----------
        agreement
            Similarity to each learned type ``(n, n_learned)``.
        of_parents
            Probability of each parent ``(n, n_parents)``.
        """
        likeliest = of_parents.argmax(axis=1)
        child = self.of_type[: agreement.shape[1]] == likeliest[:, None]
        return np.asarray(np.where(child, agreement, -np.inf).argmax(axis=1))

    def taken_over(
        self, of_parents: NDArray[np.float32], kind: int, judged: Judgement
    ) -> NDArray[np.float32]:
        """Return the probability of each parent, were all cells taken by a registered type.

        With its probability it is right; if it is not, all is as it was before.
        """
        probability = judged.probability.astype(np.float32)
        other = of_parents * (1 - probability)[:, None]
        other[:, self.of_type[kind]] += probability
        return np.asarray(np.minimum(other, 1), dtype=np.float32)
