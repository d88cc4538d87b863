"""A Transformer over gene tokens, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from atlash.nn.gene_tokens import values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from atlash.config import TransformerConfig
    from atlash.nn.gene_tokens import Tokens

UNKNOWN_DOMAIN = 0
"""Domain of cells from a batch that was not trained on."""
_START = 0.02
"""Standard deviation of initial embeddings: what is learned soon outweighs it."""
_CELLS, _CELLS_ON_GPU = 16, 256
"""Cells that are embedded together: always so many, whatever there are."""
_LENGTH_STEP = 64


@dataclass(frozen=True)
class Sentences:
    """Cells as the Transformer reads them.

    Attributes
    ----------
    genes
        Genes in the vocabulary ``(batch, length)``, int64.
    shown
        Values that enter, see :class:`atlash.nn.gene_tokens.Values`.
    visible
        Whose values enter ``(batch, length)``, bool.
    there
        Places that hold a gene ``(batch, length)``, bool.
    target
        What hidden values are to be predicted as ``(batch, length)``, float32.
    domain
        Batch of each cell ``(batch,)``, int64, :data:`UNKNOWN_DOMAIN` for unknown.
    """

    genes: Tensor
    shown: Tensor
    visible: Tensor
    there: Tensor
    target: Tensor
    domain: Tensor

    @classmethod
    def of(
        cls,
        tokens: Tokens,
        hidden: NDArray[np.bool_],
        *,
        domain: NDArray[np.int64],
        config: TransformerConfig,
    ) -> Self:
        """Return cells with the values of some tokens hidden ``(n, length)``."""
        visible = tokens.there & ~hidden
        values = values_of(tokens, visible, config)
        arrays = (tokens.genes, values.shown, visible, tokens.there, values.target, domain)
        return cls(*map(torch.from_numpy, arrays))

    def to(self, device: torch.device) -> Sentences:
        """Return the same on a device."""
        return Sentences(*(getattr(self, f.name).to(device) for f in fields(self)))

    @property
    def hidden(self) -> Tensor:
        """Places to be predicted ``(batch, length)``, bool."""
        return self.there & ~self.visible


class GeneTransformer(nn.Module):
    """A pre-norm Transformer encoder over a cell's genes, after <cls> and perhaps its domain.

    A token is the sum of its gene's embedding and its value's. Two heads predict hidden values:
    one reads a token, the other the cell's embedding together with that of the gene.

    Parameters
    ----------
    config
        Its shape.
    n_genes
        Size of the vocabulary.
    n_domains
        Batches that it knows; 0 leaves the token of the domain out.
    """

    def __init__(self, config: TransformerConfig, n_genes: int, n_domains: int) -> None:
        super().__init__()
        width = config.width
        self.cls = nn.Parameter(torch.empty(1, 1, width))
        self.gene = nn.Embedding(n_genes, width)
        self.value: nn.Module
        if config.values == "bins":
            self.value = _BinnedValue(config)
        else:
            self.value = _ContinuousValue(width)
        self.domain = nn.Embedding(n_domains + 1, width) if n_domains else None
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(width)
        self.from_token = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.of_gene = nn.Linear(width, width)
        self.of_cell = nn.Linear(width, width, bias=False)
        self.from_cell = nn.Linear(width, 1)

    def forward(self, cells: Sentences) -> tuple[Tensor, Tensor]:
        """Predict every value from its token and from <cls>, each ``(batch, length)``."""
        states = self.states(cells)
        tokens = states[:, states.shape[1] - cells.genes.shape[1] :]
        both = self.of_gene(self.gene(cells.genes)) + self.of_cell(states[:, :1])
        return self.from_token(tokens).squeeze(-1), self.from_cell(F.gelu(both)).squeeze(-1)

    def states(self, cells: Sentences) -> Tensor:
        """Return the states of <cls>, the domain if there is one, and the tokens."""
        n = len(cells.genes)
        parts = [self.cls.expand(n, -1, -1)]
        if self.domain is not None:
            parts.append(self.domain(cells.domain)[:, None])
        n_before = len(parts)
        parts.append(self.gene(cells.genes) + self.value(cells))
        there = F.pad(cells.there, (n_before, 0), value=True)[:, None, None]
        x = torch.cat(parts, dim=1)
        for layer in self.layers:
            x = layer(x, there)
        return self.norm(x)  # type: ignore[no-any-return]

    def embed(self, cells: Sentences) -> Tensor:
        """Return the embedding of each cell, the state of <cls> ``(batch, width)``."""
        return self.states(cells)[:, 0]


class _BinnedValue(nn.Module):
    """A table of bins; its first row stands for a hidden value."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(config.n_bins, config.width)

    def forward(self, cells: Sentences) -> Tensor:
        return self.table(cells.shown)  # type: ignore[no-any-return]


class _ContinuousValue(nn.Module):
    """A small network over the value, and a vector that stands for a hidden one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(1, width), nn.GELU(), nn.Linear(width, width))
        self.hidden = nn.Parameter(torch.empty(1, 1, width))

    def forward(self, cells: Sentences) -> Tensor:
        return torch.where(
            cells.visible[..., None], self.network(cells.shown[..., None]), self.hidden
        )


class _Layer(nn.Module):
    """Attention and a feed-forward part, each after a layer norm and added to its input."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.norm_forward = nn.LayerNorm(config.width)
        self.project = nn.Linear(config.width, 3 * config.width)
        self.join = nn.Linear(config.width, config.width)
        self.wide = nn.Linear(config.width, config.n_hidden)
        self.narrow = nn.Linear(config.n_hidden, config.width)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        n, length, width = x.shape
        parts = self.project(self.norm_attention(x)).view(n, length, 3, self.n_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=there)
        x = x + self.join(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.narrow(F.gelu(self.wide(self.norm_forward(x))))  # type: ignore[no-any-return]


def make_transformer(
    config: TransformerConfig,
    n_genes: int,
    n_domains: int,
    *,
    directions: NDArray[np.float32] | None = None,
    random_state: int,
) -> GeneTransformer:
    """Return a Transformer to begin with, of random weights that are the same on every machine.

    Parameters
    ----------
    config, n_genes, n_domains
        See :class:`GeneTransformer`.
    directions
        What embeddings of genes begin with ``(n_genes, width)``, beside a little noise; ``None``
        for the noise alone.
    random_state
        Seed of the weights; torch's own generator is neither used nor moved.
    """
    model = _without_weights(config, n_genes, n_domains)
    generator = torch.Generator().manual_seed(random_state)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, _START, generator=generator)
            else:
                parameter.zero_()
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5, generator=generator)
            elif isinstance(module, nn.LayerNorm):
                module.weight.fill_(1.0)
        if directions is not None:
            model.gene.weight += torch.from_numpy(directions)
    return model


def restore_transformer(
    config: TransformerConfig, arrays: dict[str, NDArray[np.float32]]
) -> GeneTransformer:
    """Return a Transformer of given weights, in the state of evaluation.

    Parameters
    ----------
    config
        Its shape.
    arrays
        From :func:`transformer_arrays`.

    Raises
    ------
    ValueError
        If arrays are missing, or of other shapes.
    """
    try:
        n_domains = len(arrays["domain.weight"]) - 1 if "domain.weight" in arrays else 0
        model = _without_weights(config, len(arrays["gene.weight"]), n_domains)
        model.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in arrays.items()})
    except (KeyError, RuntimeError) as error:
        msg = f"The weights do not fit the Transformer: {error}."
        raise ValueError(msg) from error
    return model.eval()


def transformer_arrays(model: GeneTransformer) -> dict[str, NDArray[np.float32]]:
    """Return the weights by name."""
    state = model.state_dict().items()
    return {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in state}


def _without_weights(config: TransformerConfig, n_genes: int, n_domains: int) -> GeneTransformer:
    with torch.device("meta"):  # no draws from torch's own generator
        model = GeneTransformer(config, n_genes, n_domains)
    return model.to_empty(device="cpu")


@torch.inference_mode()
def embed_tokens(
    model: GeneTransformer, tokens: Tokens, config: TransformerConfig, *, device: torch.device
) -> NDArray[np.float32]:
    """Return the embeddings of cells of unknown domain ``(n, width)``.

    Cells go through in groups of a fixed shape, a cell's length rounded up to a multiple of 64,
    so that the cells beside it change neither what is computed for it nor how.

    Parameters
    ----------
    model
        The Transformer, on ``device``.
    tokens
        The cells, nothing hidden.
    config
        Its shape.
    device
        Where it runs.
    """
    found = np.empty((len(tokens), config.width), np.float32)
    together = _CELLS_ON_GPU if device.type == "cuda" else _CELLS
    length = _LENGTH_STEP * -(-np.maximum(tokens.sizes, 1) // _LENGTH_STEP)
    for size in np.unique(length):
        alike = np.flatnonzero(length == size)
        for start in range(0, len(alike), together):
            index = alike[start : start + together]
            some = tokens.take(np.resize(index, together), int(size))
            domain = np.full(together, UNKNOWN_DOMAIN, np.int64)
            cells = Sentences.of(some, np.zeros_like(some.there), domain=domain, config=config).to(
                device
            )
            found[index] = model.embed(cells)[: len(index)].float().cpu().numpy()
    return found
