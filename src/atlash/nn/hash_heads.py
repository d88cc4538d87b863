"""Multi-head hash codes of an embedding, in two forms.

``SignHeads`` is the form of scHashFormer, whose heads round sigmoids to bits.
``QuantisedHeads`` is ours, whose heads take the nearest of learned words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.errors import InputError
from atlash.nn.hash_codes import SignWeights, WordWeights

if TYPE_CHECKING:
    from atlash.nn.hash_codes import HeadWeights

MAX_HEAD_BITS = 10
"""A head of more bits has too many buckets for the balance over a batch."""
MAX_BITS = 62
"""The bits of all heads together are one int64."""
LLOYD_ROUNDS = 10


class SignHeads(nn.Module):
    """Heads of sigmoids; their rounded outputs are the bits of the bucket.

    Parameters
    ----------
    n_dims
        Width of the embedding.
    n_heads
        Heads.
    n_bits
        Bits of each head, 1 to 10.
    generator
        Of the initial weights.
    contrast_scale
        Steepness of the softmax over bucket means.

    Raises
    ------
    InputError
        If there are too many bits.
    """

    powers: Tensor

    def __init__(
        self,
        n_dims: int,
        n_heads: int,
        n_bits: int,
        *,
        generator: torch.Generator,
        contrast_scale: float = 10.0,
    ) -> None:
        """See the class; raises :class:`~atlash.errors.InputError` if there are too many bits."""
        super().__init__()
        if not 1 <= n_bits <= MAX_HEAD_BITS or n_heads * n_bits > MAX_BITS:
            msg = (
                f"There would be {n_heads} heads of {n_bits} bits; 1 to {MAX_HEAD_BITS} bits a "
                f"head and at most {MAX_BITS} in all are possible, for example 4 heads of 4."
            )
            raise InputError(msg)
        self.n_heads, self.contrast_scale = n_heads, contrast_scale
        draws = torch.randn(n_dims, n_heads * n_bits, generator=generator)
        self.weight = nn.Parameter(draws / n_dims**0.5)
        self.bias = nn.Parameter(torch.zeros(n_heads * n_bits))
        self.register_buffer("powers", 2 ** torch.arange(n_bits))

    def start(self, embedding: Tensor) -> None:
        """Move the thresholds to the median of each output, so that buckets start even."""
        with torch.no_grad():
            self.bias.copy_(-(embedding @ self.weight).median(dim=0).values)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the hash embedding ``(batch, n_heads, n_bits)``, in (0, 1)."""
        logits = embedding @ self.weight + self.bias
        return torch.sigmoid(logits).reshape(len(logits), self.n_heads, -1)

    def codes(self, embedding: Tensor) -> Tensor:
        """Return the bucket of each head ``(batch, n_heads)``, int64 below ``2^n_bits``."""
        bits: Tensor = self(embedding) > 0.5
        return (bits * self.powers).sum(dim=2)

    def loss(self, embedding: Tensor, weight: Tensor) -> Tensor:
        """Return contrast plus imbalance, in nats.

        Contrast is the cross entropy of a cell's own bucket in a softmax over the cosine
        similarities to the means of all buckets of the batch. Imbalance is ``log`` of the number
        of a head's buckets minus the entropy of their expected shares, averaged over heads.

        Parameters
        ----------
        embedding
            ``(batch, n_dims)``.
        weight
            Of each cell ``(batch,)``.
        """
        probability = self(embedding)
        flat = probability.flatten(1)
        bits = (flat.detach() > 0.5).to(torch.int64)
        place = 2 ** torch.arange(bits.shape[1], device=bits.device)
        _, bucket = torch.unique((bits * place).sum(dim=1), return_inverse=True)
        n_buckets = int(bucket.max()) + 1
        share = F.one_hot(bucket, n_buckets).to(flat.dtype) * weight[:, None]
        means = (share / share.sum(dim=0)).T @ flat
        centred = F.normalize(flat - 0.5, dim=1) @ F.normalize(means - 0.5, dim=1).T
        nats = F.cross_entropy(self.contrast_scale * centred, bucket, reduction="none")
        contrast: Tensor = (weight * nats).sum() / weight.sum()
        return contrast + self._imbalance(probability, weight)

    def _imbalance(self, probability: Tensor, weight: Tensor) -> Tensor:
        shares = torch.ones_like(probability[:, :, :1])
        for bit in probability.unbind(dim=2):
            one = bit[:, :, None]
            shares = torch.cat([shares * (1 - one), shares * one], dim=2)
        mean = (weight[:, None, None] * shares).sum(dim=0) / weight.sum()
        entropy: Tensor = torch.special.entr(mean).sum(dim=1)
        return (math.log(mean.shape[1]) - entropy).mean()


class QuantisedHeads(nn.Module):
    """Heads that look at the embedding from directions of their own and take the nearest word.

    Parameters
    ----------
    n_dims
        Width of the embedding.
    n_heads
        Heads.
    n_words
        Words of each head, at least 1.
    generator
        Of directions and first words.
    soft
        Pull a cell to the mean of the words, weighted by how near they are, instead of to the
        nearest one.
    commitment
        Weight of the pull on cells against that on words.
    """

    directions: Tensor

    def __init__(
        self,
        n_dims: int,
        n_heads: int,
        n_words: int,
        *,
        generator: torch.Generator,
        soft: bool = False,
        commitment: float = 0.25,
    ) -> None:
        super().__init__()
        self.soft, self.commitment = soft, commitment
        self.generator = generator
        width = -(-n_dims // n_heads)
        square = torch.randn(n_heads, n_dims, n_dims, generator=generator)
        # fixed: learned ones would shrink, and every cell would be near its word
        self.register_buffer("directions", torch.linalg.qr(square)[0][:, :, :width].contiguous())
        self.words = nn.Parameter(torch.zeros(n_heads, n_words, width))

    def start(self, embedding: Tensor) -> None:
        """Take the centres of k-means on the embedding as words."""
        with torch.no_grad():
            for head, places in enumerate(self(embedding)):
                self.words[head] = _k_means(places, self.words.shape[1], self.generator)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return each head's view of the embedding ``(n_heads, batch, width)``."""
        return torch.matmul(embedding, self.directions)

    def codes(self, embedding: Tensor) -> Tensor:
        """Return the nearest word of each head ``(batch, n_heads)``, int64."""
        nearest: Tensor = torch.cdist(self(embedding), self.words).argmin(dim=2)
        return nearest.T

    def loss(self, embedding: Tensor, weight: Tensor) -> Tensor:
        """Return the squared distance of a dimension between cells and words, seen from both.

        Words feel the mean squared distance, cells ``commitment`` times it, and the value is the
        sum of both (van den Oord et al., Neural Discrete Representation Learning, equation 3).

        Parameters
        ----------
        embedding
            ``(batch, n_dims)``.
        weight
            Of each cell ``(batch,)``.
        """
        places = self(embedding)
        squared = torch.cdist(places.detach(), self.words.detach()).square()
        if self.soft:
            scale = squared.amin(dim=2).mean(dim=1)[:, None, None].clamp_min(1e-6)
            chosen = torch.softmax(-squared / (2 * scale), dim=2) @ self.words
        else:
            nearest = squared.argmin(dim=2)[:, :, None].expand(-1, -1, self.words.shape[2])
            chosen = torch.gather(self.words, 1, nearest)
        of_words = (places.detach() - chosen).square().mean(dim=(0, 2))
        of_cells = (places - chosen.detach()).square().mean(dim=(0, 2))
        squares: Tensor = of_words + self.commitment * of_cells
        return (weight * squares).sum() / weight.sum()


def export_heads(heads: SignHeads | QuantisedHeads) -> HeadWeights:
    """Return learned heads as arrays."""
    arrays = {k: np.ascontiguousarray(v.cpu().numpy()) for k, v in heads.state_dict().items()}
    if isinstance(heads, SignHeads):
        return SignWeights(arrays["weight"], arrays["bias"], np.array([heads.n_heads]))
    return WordWeights(arrays["directions"], arrays["words"])


def _k_means(places: Tensor, n_words: int, generator: torch.Generator) -> Tensor:
    """Return centres ``(n_words, width)`` after a few rounds of Lloyd from drawn cells.

    Where there are fewer cells than words, words repeat.
    """
    order = torch.randperm(len(places), generator=generator)
    centres = places[order[torch.arange(n_words) % len(places)]].clone()
    for _ in range(LLOYD_ROUNDS):
        nearest = torch.cdist(places, centres).argmin(dim=1)
        count = torch.zeros(n_words).index_add_(0, nearest, torch.ones(len(places)))
        total = torch.zeros_like(centres).index_add_(0, nearest, places)
        filled = count > 0
        centres[filled] = total[filled] / count[filled, None]
    return centres
