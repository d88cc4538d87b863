"""What helps rare types: the loss over types, and a second phase on hard cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

LossName = Literal[
    "tail_adjusted",
    "anchors_adjusted",
    "class_balanced",
    "plain",
    "focal",
    "logit_adjusted",
    "balanced_softmax",
    "balanced_adjusted",
    "ginf",
    "clouded",
]
"""Named settings of :class:`LossConfig`; see :func:`loss_config`."""
Weighed = Literal["both", "anchors", "none"]
"""Which losses class-balanced weights enter."""


@dataclass(frozen=True)
class LossConfig:
    """How the cross entropy over types treats rare ones, while learning only.

    Logits ``z`` become ``scale * (z + sigma-noise * d - prior_strength * d - margin * target)``,
    where ``d`` is how much rarer a type is than the commonest one,
    ``log(n_max + epsilon) - log(n + epsilon)``; see :mod:`atlash.nn.tail_losses`.

    Parameters
    ----------
    weights
        Where class-balanced weights (``TrainConfig.class_balance``) enter: in the anchor loss and
        the loss over types (``"both"``), in the anchor loss alone, or nowhere.
    class_balance
        Beta of these weights in the loss over types, in [0, 1): from about ``1 / (1 - beta)``
        cells on, types weigh alike. ``None`` takes ``TrainConfig.class_balance`` there too.
    mean, sigma
        Mean and standard deviation of the Gaussian noise of every cell and type; a ``sigma`` of 0
        adds none.
    clip
        Greatest size of the noise; ``None`` leaves it as it is.
    signed
        Whether noise goes both ways. Otherwise its size is taken off.
    normalised
        Divide ``d`` by its maximum where noise is multiplied with it.
    prior_strength
        What ``d`` is multiplied with and taken off, without noise (logit adjustment: Menon et
        al., ICLR 2021). At 1 this is the balanced softmax (Ren et al., NeurIPS 2020).
    margin
        Taken off the logit of the true type.
    scale
        What adjusted logits are multiplied with; similarities to anchors then enter as cosines.
        ``None`` leaves them at ``TrainConfig.similarity_scale``.
    focus
        Exponent of the focal loss (Lin et al., ICCV 2017); 0 is the cross entropy.
    epsilon
        Added to counts before their logarithm.
    """

    weights: Weighed = "both"
    class_balance: float | None = None
    mean: float = 0.0
    sigma: float = 0.0
    clip: float | None = None
    signed: bool = True
    normalised: bool = False
    prior_strength: float = 0.0
    margin: float = 0.0
    scale: float | None = None
    focus: float = 0.0
    epsilon: float = 1e-6


_NAMED: dict[str, LossConfig] = {
    "tail_adjusted": LossConfig(class_balance=0.95, prior_strength=1.0),
    "anchors_adjusted": LossConfig(weights="anchors", prior_strength=1.0),
    "class_balanced": LossConfig(),
    "plain": LossConfig(weights="none"),
    "focal": LossConfig(weights="none", focus=2.0),
    "logit_adjusted": LossConfig(weights="none", prior_strength=1.0),
    "balanced_softmax": LossConfig(weights="none", prior_strength=1.0),
    "balanced_adjusted": LossConfig(prior_strength=0.5),
    "ginf": LossConfig(weights="none", sigma=0.1),
    "clouded": LossConfig(
        weights="none",
        sigma=1 / 3,
        clip=1.0,
        signed=False,
        normalised=True,
        margin=0.5,
        scale=30.0,
    ),
}


def loss_config(loss: LossName | LossConfig) -> LossConfig:
    """Return what a name stands for; options are returned as they are.

    Parameters
    ----------
    loss
        ``"tail_adjusted"``, the default: class-balanced weights in the anchor loss, and in the
        loss over types logit adjustment and weights that tell types of few cells from each
        other, and no others. ``"anchors_adjusted"``: the same without these weights.
        ``"class_balanced"``: weights by the effective number of cells (Cui et al., CVPR
        2019) in both. ``"plain"``: the cross entropy. ``"focal"``: easy cells count less.
        ``"logit_adjusted"`` or, the same at its strength of 1, ``"balanced_softmax"``: rarer
        types must win by more. ``"balanced_adjusted"``: class-balanced weights and half of that
        adjustment. ``"ginf"``: Gaussian inflation (Celler, arXiv 2504.00020), noise that grows
        with rarity. ``"clouded"``: the Gaussian clouded logit (Li, Cheung and Lu, CVPR 2022),
        one-sided noise on cosines with a margin.

    Raises
    ------
    KeyError
        If there is no such name.
    """
    return loss if isinstance(loss, LossConfig) else _NAMED[loss]


LOSS_NAMES: tuple[str, ...] = get_args(LossName)


@dataclass(frozen=True)
class MiningConfig:
    """How hard cells are found, and learned in a second phase.

    Parameters
    ----------
    hard_share
        Size of the list of hard cells, as a share of all. Types get equal shares of it, so
        that a common one cannot fill it.
    mixed_share
        Share of hard cells among those that the second phase draws; the others are drawn evenly.
    steps_share
        Steps of the second phase, as a share of those of the first. 0: there is no second
        phase, and all that mining does is to leave out cells that look mislabelled.
    rate_factor
        What the second phase multiplies learning rates with.
    guard
        Leave out cells that look mislabelled.
    own_probability
        Greatest calibrated probability of its own type with which a cell looks mislabelled, as a
        share of what cells of the type have on average.
    own_agreement
        Greatest share of its neighbours that are of its own type with which it does.
    most_dropped
        Greatest share of a type's cells that are left out; of 1 or 2 cells none is.
    n_neighbors
        Neighbours that vote, among cells of the other folds.
    """

    hard_share: float = 0.2
    mixed_share: float = 0.5
    steps_share: float = 0.3
    rate_factor: float = 0.2
    guard: bool = True
    own_probability: float = 0.05
    own_agreement: float = 0.1
    most_dropped: float = 0.5
    n_neighbors: int = 15
