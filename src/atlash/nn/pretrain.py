"""One step of pre-training: hidden values are predicted, gradients added up, weights moved."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from atlash.nn.gene_tokens import hide, tokenise
from atlash.nn.gene_transformer import UNKNOWN_DOMAIN, GeneTransformer, Sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import scipy.sparse as sp
    from numpy.typing import NDArray
    from torch import Tensor

    from atlash.config import PretrainConfig
    from atlash.nn.world import World

PART = 8
"""Cells of a batch that are worked on together on a CPU; what they draw depends on no other."""
_LAST_RATE = 0.1
_MOMENTS = ("exp_avg", "exp_avg_sq")


def draw_sentences(
    X: sp.csr_array,
    domain: NDArray[np.int64],
    config: PretrainConfig,
    *,
    rng: np.random.Generator,
) -> Sentences:
    """Return cells with tokens chosen, values hidden and domains left out at random.

    Parameters
    ----------
    X
        Normalised values over the vocabulary ``(n, n_genes)``, CSR.
    domain
        Batch of each cell ``(n,)``, :data:`atlash.nn.gene_transformer.UNKNOWN_DOMAIN` for none.
    config
        Options.
    rng
        Source of randomness.
    """
    model = config.model
    seed = int(rng.integers(2**63))
    tokens = tokenise(X, n_tokens=model.n_tokens, sampling=model.sampling, seed=seed)
    hidden = hide(tokens, config.mask_ratios, rng)
    unknown = rng.random(len(domain)) < config.unknown_domain
    known = np.where(unknown, UNKNOWN_DOMAIN, domain)
    return Sentences.of(tokens, hidden, domain=known, config=model)


def cell_losses(model: torch.nn.Module, cells: Sentences, cls_weight: float) -> Tensor:
    """Return each cell's mean squared error over its hidden values ``(batch,)``, float32.

    Parameters
    ----------
    model
        A :class:`GeneTransformer`, perhaps wrapped.
    cells
        Cells with hidden values; one without has a loss of 0.
    cls_weight
        Weight of the prediction from <cls>, beside that from the tokens.
    """
    from_token, from_cell = model(cells)
    hidden = cells.hidden
    wrong = (from_token.float() - cells.target) ** 2
    wrong = wrong + cls_weight * (from_cell.float() - cells.target) ** 2
    total = torch.where(hidden, wrong, 0.0).sum(dim=1)
    return total / hidden.sum(dim=1).clamp(min=1)


class Gradients(Protocol):
    """Leaves the gradient of a batch in the parameters."""

    def __call__(self, draw: Callable[[int], Sentences], n_parts: int) -> Tensor:
        """Return the losses of the batch's cells, 0 for those of other processes.

        Parameters
        ----------
        draw
            Gives a part of the batch; may be called from any thread.
        n_parts
            Number of parts, of :data:`PART` cells each.
        """
        ...


class ThreadedGradients:
    """Gradients in one process: parts side by side, added up in their order.

    On a GPU the parts are put together, as it is quick with many cells only.
    """

    def __init__(
        self,
        model: GeneTransformer,
        config: PretrainConfig,
        device: torch.device,
        *,
        n_threads: int,
    ) -> None:
        self.model = model
        self.cls_weight = config.cls_weight
        self.device = device
        self.pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None

    def __call__(self, draw: Callable[[int], Sentences], n_parts: int) -> Tensor:
        """Return the losses of the batch's cells; see :class:`Gradients`."""
        size = n_parts * PART
        parameters = list(self.model.parameters())

        def work(part: int) -> tuple[Tensor, tuple[Tensor, ...]]:
            cells = draw(part).to(self.device)
            with lower_precision(self.device):
                losses = cell_losses(self.model, cells, self.cls_weight)
            return losses.detach(), torch.autograd.grad(losses.sum() / size, parameters)

        if self.device.type == "cuda":
            draw, n_parts = _together(draw, range(n_parts)), 1
        found = self.pool.map(work, range(n_parts)) if self.pool else map(work, range(n_parts))
        losses = []
        for parameter in parameters:
            parameter.grad = None
        for part_losses, gradients in found:
            losses.append(part_losses)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if parameter.grad is None:
                    parameter.grad = gradient.clone()  # autograd may give one tensor twice
                else:
                    parameter.grad += gradient
        return torch.cat(losses)


class SharedGradients:
    """Gradients of several processes, each of some parts, averaged by torch."""

    def __init__(self, model: GeneTransformer, config: PretrainConfig, world: World) -> None:
        on_gpu = world.device.type == "cuda"
        self.wrapped = DistributedDataParallel(
            model, device_ids=[world.device] if on_gpu else None
        )
        self.cls_weight = config.cls_weight
        self.world = world

    def __call__(self, draw: Callable[[int], Sentences], n_parts: int) -> Tensor:
        """Return the losses of this process's cells; see :class:`Gradients`."""
        world = self.world
        own = range(world.rank, n_parts, world.size)
        losses = torch.zeros(n_parts, PART, device=world.device)
        self.wrapped.zero_grad(set_to_none=True)
        groups: list[Sequence[int]] = [[part] for part in own]
        if world.device.type == "cuda":
            groups = [own]
        for number, parts in enumerate(groups, start=1):
            cells = _together(draw, parts)(0).to(world.device)
            last = number == len(groups)
            wait: AbstractContextManager[None] = nullcontext() if last else self.wrapped.no_sync()
            with wait:
                with lower_precision(world.device):
                    found = cell_losses(self.wrapped, cells, self.cls_weight)
                share = found.sum() / (
                    len(own) * PART
                )  # gradients are averaged over the processes
                torch.autograd.backward(share)
            losses[list(parts)] = found.detach().view(-1, PART)
        return losses.flatten()


def _together(
    draw: Callable[[int], Sentences], parts: Sequence[int]
) -> Callable[[int], Sentences]:
    """Return what gives several parts as one, filled up to the longest."""
    return lambda _: joined([draw(part) for part in parts])


def joined(parts: list[Sentences]) -> Sentences:
    """Return cells of several parts, filled up to the longest row."""
    if len(parts) == 1:
        return parts[0]
    length = max(part.genes.shape[1] for part in parts)

    def all_of(name: str) -> Tensor:
        tensors = [getattr(part, name) for part in parts]
        if tensors[0].ndim == 1:
            return torch.cat(tensors)
        pad = torch.nn.functional.pad
        return torch.cat([pad(tensor, (0, length - tensor.shape[1])) for tensor in tensors])

    names = ("genes", "shown", "visible", "there", "target", "domain")
    return Sentences(*map(all_of, names))


def lower_precision(device: torch.device) -> AbstractContextManager[object]:
    """Compute in bfloat16 where the GPU does so natively."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


class Learner:
    """A model, its optimiser, and the number of steps they have made.

    Parameters
    ----------
    model
        The Transformer, already on its device.
    gradients
        How gradients are computed.
    config
        Options.
    """

    def __init__(
        self, model: GeneTransformer, gradients: Gradients, config: PretrainConfig
    ) -> None:
        self.model = model
        self.gradients = gradients
        self.config = config
        self.n_steps = 0
        tables = {m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)}
        decayed = [p for p in model.parameters() if p.ndim == 2 and p not in tables]
        kept = {id(p) for p in decayed}
        others = [p for p in model.parameters() if id(p) not in kept]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate)

    def losses(self, draw: Callable[[int], Sentences], n_parts: int) -> Tensor:
        """Compute the gradient of a batch; return its cells' losses, see :class:`Gradients`."""
        return self.gradients(draw, n_parts)

    def move(self) -> bool:
        """Move the weights; return False, and move none, if the gradient is not finite."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_norm)
        if not math.isfinite(norm.item()):
            return False
        rate = self.config.learning_rate * rate_at(self.n_steps, self.config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.n_steps += 1
        return True

    def moments(self) -> dict[str, NDArray[np.float32]]:
        """Return the optimiser's state by name; with the weights, all that a resumption needs."""
        found = {}
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state.get(parameter, {})
            for moment in _MOMENTS:
                if moment in state:
                    found[f"{name}.{moment}"] = state[moment].cpu().numpy().copy()
        return found

    def resume(self, n_steps: int, moments: Mapping[str, NDArray[np.float32]]) -> None:
        """Go on after so many steps; the model has the weights of then.

        Parameters
        ----------
        n_steps
            Steps made.
        moments
            From :meth:`moments`; empty before the first step and after the last.

        Raises
        ------
        KeyError
            If some are there, and others are missing.
        """
        self.n_steps = n_steps
        if not moments:
            return
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state[parameter]
            state["step"] = torch.tensor(float(n_steps))
            for moment in _MOMENTS:
                array = moments[f"{name}.{moment}"]
                state[moment] = torch.from_numpy(array.copy()).to(parameter.device)


def rate_at(step: int, config: PretrainConfig) -> float:
    """Return the learning rate of a step, from 0, as a share of the greatest."""
    n_rising = max(1, round(config.warmup * config.n_steps))
    if step < n_rising:
        return (step + 1) / n_rising
    done = (step - n_rising) / max(1, config.n_steps - n_rising)
    return _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
