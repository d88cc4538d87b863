"""The annotator: everything that turns normalised cells into codes, labels and confidence."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from atlash.codes.pack import pack
from atlash.codes.similarity import similarity
from atlash.models.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.codes.similarity import Method
    from atlash.data.normalize import Projected, Recipe
    from atlash.models.calibration import Calibration
    from atlash.models.detail import Detail
    from atlash.models.detector import Detector, Judgement
    from atlash.models.exemplars import Exemplars
    from atlash.models.novelty import Novelty
    from atlash.nn.inference import Encoder


@dataclass(frozen=True)
class Prediction:
    """What an annotator says of ``n`` cells.

    Attributes
    ----------
    codes
        Packed bits ``(n, n_bytes)``, uint8: the anchor part, then the detail part.
    nearest, runner_up
        Most and second most similar type ``(n,)``, indices into the annotator's types.
    margin
        Bits by which the code is nearer to the first anchor than to the second ``(n,)``,
        float32, at least 0; between expected bits for ``asymmetric``.
    confidence
        Calibrated probability that ``nearest`` is right ``(n,)``, float32.
    sets
        Conformal sets ``(n, n_types)``, bool.
    novelty
        ``-log10`` of the share of held-out reference cells that look at least as novel
        ``(n,)``, float32, at least 0.
    n_genes
        Genes of the reference detected ``(n,)``, int32.
    of_parents
        Calibrated probability of each parent, the sum over its children ``(n, n_parents)``,
        float32; no columns without a hierarchy.
    of_likeliest
        Most similar type of the likeliest parent ``(n,)``; ``nearest`` without a hierarchy. It
        is ``nearest`` wherever that has a probability above 1/2.
    """

    codes: NDArray[np.uint8]
    nearest: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    margin: NDArray[np.float32]
    confidence: NDArray[np.float32]
    sets: NDArray[np.bool_]
    novelty: NDArray[np.float32]
    n_genes: NDArray[np.int32]
    of_parents: NDArray[np.float32]
    of_likeliest: NDArray[np.int64]

    def taken_over(
        self,
        kind: int,
        judged: Judgement,
        empty: NDArray[np.bool_],
        *,
        family: Family | None,
    ) -> Prediction:
        """Return what is said once a registered type has taken the cells that it takes.

        Parameters
        ----------
        kind
            Index of the registered type.
        judged
            What its detector says.
        empty
            Cells without counts ``(n,)``, which nothing takes.
        family
            Parents of the types; ``None`` without a hierarchy.
        """
        taken = judged.taken & ~empty
        of_parents, becomes = self.of_parents, taken
        if family is not None:
            after = family.taken_over(of_parents, kind, judged)
            of_parents = np.where(taken[:, None], after, of_parents)
            becomes = taken & (of_parents.argmax(axis=1) == family.of_type[kind])
        return replace(
            self,
            nearest=np.where(taken, kind, self.nearest),
            runner_up=np.where(taken, self.nearest, self.runner_up),
            margin=np.where(taken, np.float32(0), self.margin),
            confidence=np.where(taken, judged.probability, self.confidence),
            sets=np.hstack([self.sets, (judged.in_set | empty)[:, None]]),
            # far from all learned types, as it should be
            novelty=np.where(taken, np.minimum(self.novelty, judged.novelty), self.novelty),
            of_parents=of_parents,
            of_likeliest=np.where(becomes, kind, self.of_likeliest),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Prediction]) -> Prediction:
        """Join predictions of chunks, in order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Codes:
    """Cells as codes.

    Attributes
    ----------
    z
        Continuous anchor part ``(n, n_bits)``, float32.
    detail
        Continuous detail part ``(n, n_detail_bits)``, float32; no columns where there is none.
    agreement
        Asymmetric similarity to each learned anchor ``(n, n_learned)``, float32.
    """

    z: NDArray[np.float32]
    detail: NDArray[np.float32]
    agreement: NDArray[np.float32]

    @property
    def packed(self) -> NDArray[np.uint8]:
        """Bits ``(n, n_bytes)``, uint8: the anchor part, then the detail part."""
        return np.hstack([pack(self.z > 0), pack(self.detail > 0)])

    @property
    def expected(self) -> NDArray[np.float32]:
        """Expected bits ``(n, n_bits + n_detail_bits)``, float32 in [-1, 1]."""
        return np.tanh(np.hstack([self.z, self.detail]))

    @property
    def nearest(self) -> NDArray[np.int64]:
        """Most similar learned type ``(n,)``."""
        return np.asarray(self.agreement.argmax(axis=1))

    @classmethod
    def concatenate(cls, parts: Sequence[Codes]) -> Codes:
        """Join codes of chunks, in order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Annotator:
    """A learned annotator; see :func:`atlash.models.learn.learn`.

    Attributes
    ----------
    recipe
        How cells are normalised.
    weights
        The encoder.
    anchors
        One row of -1 and +1 a type ``(n_types, n_bits)``, int8: learned types first, then those
        that were registered.
    types
        Names of the types ``(n_types,)``.
    calibration
        From similarities to probabilities.
    novelty
        How far a cell is from all that was learned.
    detail
        What tells cells of one type apart; ``None`` where codes have no detail part.
    exemplars
        Learned cells to set new types against; ``None`` in references that were saved without.
    detectors
        One a registered type, in order.
    parents
        Name of each type's parent ``(n_types,)``; empty without a hierarchy.
    """

    recipe: Recipe
    weights: Encoder
    anchors: NDArray[np.int8]
    types: list[str]
    calibration: Calibration
    novelty: Novelty
    detail: Detail | None
    exemplars: Exemplars | None
    detectors: tuple[Detector, ...] = ()
    parents: tuple[str, ...] = ()

    @property
    def learned_anchors(self) -> NDArray[np.int8]:
        """Anchors of the types that the encoder has learned ``(n_learned, n_bits)``."""
        return self.anchors[: len(self.anchors) - len(self.detectors)]

    @property
    def family(self) -> Family | None:
        """Parents of the types; ``None`` without a hierarchy."""
        return Family.of(self.parents) if self.parents else None

    @property
    def n_bits(self) -> int:
        """Length of the anchor part of a code."""
        return self.weights.n_bits

    @property
    def n_detail_bits(self) -> int:
        """Length of the detail part of a code."""
        return 0 if self.detail is None else self.detail.n_bits

    def gene_weight(self) -> NDArray[np.float64]:
        """Return what each gene is worth to the encoder ``(n_genes,)``, sum 1."""
        worth = np.zeros(len(self.recipe.genes))
        worth[self.recipe.features] = self.weights.feature_weight()
        return np.asarray(worth / worth.sum())

    def codes(self, X: sp.csr_array, measured: NDArray[np.bool_]) -> Codes:
        """Return the codes of normalised cells, each on its own."""
        z, components = self.weights.encode(X, measured)
        agreement = similarity(z, self.learned_anchors, "asymmetric")
        if self.detail is None:
            return Codes(z, np.empty((len(z), 0), dtype=np.float32), agreement)
        return Codes(z, self.detail.encode(components, agreement), agreement)

    def predict(self, cells: Projected, measured: NDArray[np.bool_], method: Method) -> Prediction:
        """Label normalised cells, each on its own.

        Parameters
        ----------
        cells
            Normalised cells over the recipe's features.
        measured
            Features that the data hold ``(n_features,)``.
        method
            How codes are compared with anchors.
        """
        codes = self.codes(cells.X, measured)
        agreement = codes.agreement
        if method != "asymmetric":
            agreement = similarity(codes.z, self.learned_anchors, method)
        probability = self.calibration.probabilities(agreement, method)
        nearest, runner_up = _first_two(agreement)
        rows = np.arange(len(agreement))
        apart = agreement[rows, nearest] - agreement[rows, runner_up]
        empty = cells.library == 0
        confidence = np.where(empty, 0, probability[rows, nearest])
        family = self.family
        of_parents, of_likeliest = np.empty((len(agreement), 0), dtype=np.float32), nearest
        if family is not None:
            of_parents = family.probabilities(probability)
            of_likeliest = family.nearest_of_likeliest(agreement, of_parents)
            of_parents[empty] = 0
        prediction = Prediction(
            codes=codes.packed,
            nearest=nearest,
            runner_up=runner_up,
            margin=(apart * (self.n_bits / 2)).astype(np.float32),
            confidence=confidence.astype(np.float32),
            sets=self.calibration.sets(probability, method) | empty[:, None],
            novelty=self.novelty.score(cells.X, measured),
            n_genes=cells.n_genes,
            of_parents=of_parents,
            of_likeliest=of_likeliest,
        )
        return self._with_registered(prediction, cells, measured) if self.detectors else prediction

    def _with_registered(
        self, prediction: Prediction, cells: Projected, measured: NDArray[np.bool_]
    ) -> Prediction:
        """Give cells to registered types that take them; a later one was told from the earlier."""
        empty = cells.library == 0
        family = self.family
        for kind, judged in self._judged(cells, measured):
            prediction = prediction.taken_over(kind, judged, empty, family=family)
        return prediction

    def nearest(
        self, codes: Codes, cells: Projected, measured: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return the nearest type by :meth:`predict` ``(n,)``; -1 for cells without counts.

        It is the most similar learned type, or the registered one that takes the cell.

        Parameters
        ----------
        codes
            The cells' codes.
        cells, measured
            As for :meth:`predict`.
        """
        nearest = codes.nearest
        if self.detectors:
            for kind, judged in self._judged(cells, measured):
                nearest = np.where(judged.taken, kind, nearest)
        return np.where(cells.library == 0, -1, nearest)

    def _judged(
        self, cells: Projected, measured: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Judgement]]:
        """Yield the index of each registered type, and what its detector says of cells."""
        space = self.novelty.space
        places = space.places(cells.X, measured)
        for kind, detector in enumerate(self.detectors, start=len(self.learned_anchors)):
            yield kind, detector.judge(cells.X, places, measured=measured, space=space)


def _first_two(agreement: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best and second best column of each row; ties go to the first."""
    rows = np.arange(len(agreement))
    best = agreement.argmax(axis=1)
    rest = agreement.copy()
    rest[rows, best] = -np.inf
    return best, rest.argmax(axis=1)
