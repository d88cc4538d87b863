"""Negative log likelihoods of counts.

A count ``x`` has mean ``mu`` and, but for Poisson's law, variance ``mu + phi mu^2``. Everything
is given as a logarithm or a logit, so that no argument has a range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812

if TYPE_CHECKING:
    from torch import Tensor


def poisson_loss(counts: Tensor, log_mean: Tensor) -> Tensor:
    """Return ``-log p(x)`` of Poisson's law.

    Parameters
    ----------
    counts
        Whole numbers ``(...)``, at least 0, floating dtype.
    log_mean
        ``log mu``, of a shape that broadcasts.

    Returns
    -------
    Nats of each count ``(...)``.
    """
    return log_mean.exp() - counts * log_mean + torch.lgamma(counts + 1)


def negative_binomial_loss(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return ``-log p(x)`` of the negative binomial law.

    With size ``r = 1 / phi`` and ``p = r / (r + mu)`` it is that of ``scipy.stats.nbinom(r, p)``.

    Parameters
    ----------
    counts
        Whole numbers ``(...)``, at least 0, floating dtype.
    log_mean
        ``log mu``, of a shape that broadcasts.
    log_dispersion
        ``log phi``, of a shape that broadcasts. In float32, below -10 the difference of two
        logarithms of the gamma function loses its digits.

    Returns
    -------
    Nats of each count ``(...)``.
    """
    size = torch.exp(-log_dispersion)
    logit = log_mean + log_dispersion  # of mu / (mu + r)
    ways = torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
    return size * F.softplus(logit) + counts * F.softplus(-logit) - ways


def zero_inflated_loss(
    counts: Tensor, log_mean: Tensor, log_dispersion: Tensor, *, dropout_logit: Tensor
) -> Tensor:
    """Return ``-log p(x)`` of a negative binomial law with additional zeros.

    Parameters
    ----------
    counts
        Whole numbers ``(...)``, at least 0, floating dtype.
    log_mean, log_dispersion
        Of the negative binomial law; see :func:`negative_binomial_loss`.
    dropout_logit
        Logit of the probability that a count was set to 0, of a shape that broadcasts.

    Returns
    -------
    Nats of each count ``(...)``.
    """
    nats = negative_binomial_loss(counts, log_mean, log_dispersion)
    kept = nats + F.softplus(dropout_logit)
    zero = -torch.logaddexp(-F.softplus(-dropout_logit), -kept)
    return torch.where(counts == 0, zero, kept)
