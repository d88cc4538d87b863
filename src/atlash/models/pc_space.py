"""Known types in a label-free space: principal components of standardised expression.

A network trained to tell known types apart folds a new type onto one of them. Principal
components keep what is new, so the distances here are evidence that the classifier lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from atlash.data.variable import mean_and_variance
from atlash.nn.factor import Factor
from atlash.nn.tiles import padded, paired

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

N_AXES = 64
N_NEAR, N_MIDDLE = 20, 50
"""Axes used for the coarse and for the relative distance."""
SHRINKAGE = 0.05
UPPER = 10.0
N_SUBSCORES = 7
HEAD_STRENGTH = 0.1


@dataclass(frozen=True)
class PCSpace:
    """Axes, and the known types' places and spread along them.

    Attributes
    ----------
    mean, inverse_scale
        Of each feature in training ``(n_features,)``, float32.
    axes
        Principal axes ``(n_features, n_axes)``, float32.
    near, middle, far
        Within-type whitening of the first 20, first 50 and all axes, square, float32.
    near_centres, middle_centres, far_centres
        Whitened means of the types ``(n_types, n)``, float32.
    overall
        Whitening of the first 50 axes over all cells, float32.
    overall_centre
        Whitened mean of all cells, float32.
    head, head_bias
        Linear classifier on the axes ``(n_axes, n_types)``, ``(n_types,)``, float32.
    """

    mean: NDArray[np.float32]
    inverse_scale: NDArray[np.float32]
    axes: NDArray[np.float32]
    near: NDArray[np.float32]
    near_centres: NDArray[np.float32]
    middle: NDArray[np.float32]
    middle_centres: NDArray[np.float32]
    far: NDArray[np.float32]
    far_centres: NDArray[np.float32]
    overall: NDArray[np.float32]
    overall_centre: NDArray[np.float32]
    head: NDArray[np.float32]
    head_bias: NDArray[np.float32]

    def places(self, X: sp.csr_array, measured: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return where cells lie on the axes ``(n, at least n_axes)``, each cell on its own."""
        start = np.zeros(self.axes.shape[1], dtype=np.float32)
        return self._factor.product(X, measured, start)

    def subscores(
        self, X: sp.csr_array, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """Return seven ways in which cells are unlike the known types, each cell on its own.

        Parameters
        ----------
        X
            Normalised expression of the features ``(n, n_features)``, CSR float32.
        measured
            Features that the data hold; ``None`` for all. The others are taken as typical.

        Returns
        -------
        ``(n, 7)`` float64, higher is stranger: squared Mahalanobis distance to the nearest
        type less that to all cells (50 axes; relative Mahalanobis distance, Ren et al. 2021),
        logarithm of the squared distance to the nearest type (20, 50 and all axes), logarithm
        of the squared expression that lies outside the axes, and the negative greatest logit
        and the entropy of the linear classifier.
        """
        from atlash.models._pc_kernels import add_energy, measure  # numba: when needed

        if measured is None:
            measured = np.ones(len(self.mean), dtype=bool)
        factor = self._factor
        above = factor.above_zero(X)
        start = np.zeros(self.axes.shape[1], dtype=np.float32)
        places = factor.product_of(X, above, measured, start=start)
        silent = np.where(measured, factor.silence, 0).astype(np.float64)
        energy = np.full(X.shape[0], silent @ silent)
        indptr = X.indptr.astype(np.int64, copy=False)
        indices = X.indices.astype(np.int32, copy=False)
        add_energy(indptr, indices, above, factor.silence, energy)
        out = np.empty((X.shape[0], N_SUBSCORES))
        measure(places, energy, *self._whitened, self._head, out)
        return out

    @cached_property
    def _factor(self) -> Factor:
        scaling = (self.mean, self.inverse_scale, np.array([UPPER], dtype=np.float32))
        return Factor(self.axes, scaling)

    @cached_property
    def _head(self) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """The linear classifier: coefficients, paired, and bias, padded."""
        return paired(self.head), padded(self.head_bias)

    @cached_property
    def _whitened(self) -> list[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
        """Whitening, paired, and whitened centres, padded: near, middle, far and overall."""
        pairs = (
            (self.near, self.near_centres),
            (self.middle, self.middle_centres),
            (self.far, self.far_centres),
            (self.overall, self.overall_centre[None]),
        )
        return [(paired(whitening), padded(centres)) for whitening, centres in pairs]


def fit_pc_space(X: sp.csr_array, labels: NDArray[np.int64], *, random_state: int) -> PCSpace:
    """Fit axes, whitening and the linear classifier.

    Parameters
    ----------
    X
        Normalised expression ``(n, n_features)``, CSR, of at least two types.
    labels
        Type of each cell ``(n,)``; only types that occur are represented.
    random_state
        Seed of the randomised SVD.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.extmath import randomized_svd

    mean, variance = mean_and_variance(X)
    scale = np.sqrt(variance)
    inverse = np.divide(1, scale + 1e-3, out=np.zeros_like(scale), where=scale > 0)
    standard = np.clip((X.toarray() - mean) * inverse, None, UPPER).astype(np.float32)
    n_axes = max(1, min(N_AXES, min(standard.shape) - 1))
    seed = random_state % 2**32  # scikit-learn takes none above
    _, _, rows = randomized_svd(standard, n_axes, n_iter=2, random_state=seed)
    axes = np.ascontiguousarray(rows.T, dtype=np.float32)
    places = (standard @ axes).astype(np.float64)

    _, kind = np.unique(labels, return_inverse=True)
    centres = np.stack([places[kind == k].mean(axis=0) for k in range(kind.max() + 1)])
    within = places - centres[kind]
    near = _whitening(within[:, :N_NEAR])
    middle = _whitening(within[:, :N_MIDDLE])
    far = _whitening(within)
    centre = places[:, :N_MIDDLE].mean(axis=0)
    overall = _whitening(places[:, :N_MIDDLE] - centre)

    spread = places.std(axis=0) + 1e-6
    classifier = LogisticRegression(C=HEAD_STRENGTH, max_iter=100)
    head, bias = _linear_head(classifier.fit(places / spread, kind))
    parts = (
        mean, inverse, axes, near, centres[:, :N_NEAR] @ near, middle,
        centres[:, :N_MIDDLE] @ middle, far, centres @ far, overall, centre @ overall,
        head / spread[:, None], bias,
    )  # fmt: skip
    return PCSpace(*(np.ascontiguousarray(part, dtype=np.float32) for part in parts))


def _whitening(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``L`` with ``L L^T`` the inverse of the shrunken covariance."""
    covariance = residuals.T @ residuals / len(residuals)
    n = len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance
    shrunk += (SHRINKAGE * np.trace(covariance) / n + 1e-8) * np.eye(n)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(shrunk)))


def _linear_head(classifier: object) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one column of coefficients a type, also where there are two types."""
    coefficients, bias = classifier.coef_.T, classifier.intercept_  # type: ignore[attr-defined]
    if coefficients.shape[1] > 1:
        return coefficients, bias
    return np.hstack([-coefficients, coefficients]) / 2, np.concatenate([-bias, bias]) / 2
