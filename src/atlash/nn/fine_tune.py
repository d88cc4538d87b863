"""Fine-tuning: a pre-trained Transformer learns the anchors of types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from atlash.errors import TrainingError
from atlash.nn.batches import thin
from atlash.nn.gene_tokens import tokenise
from atlash.nn.gene_transformer import (
    UNKNOWN_DOMAIN,
    Sentences,
    restore_transformer,
    transformer_arrays,
)
from atlash.nn.objective import Objective
from atlash.nn.train import MIN_SCHEDULE, Learned
from atlash.nn.transformer_encoder import TransformerEncoder, known_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from atlash.config import TrainConfig, TransformerConfig
    from atlash.nn.batches import Standardiser, TrainingCells
    from atlash.nn.objective import Goal
    from atlash.nn.train import Run


@dataclass(frozen=True)
class Start:
    """A pre-trained Transformer, cut down to the features of some cells.

    Attributes
    ----------
    config
        Its shape.
    arrays
        Its weights; the table of genes holds the known features alone.
    token
        Place of each feature in that table ``(n_features,)``, int32, -1 where it is not known.
    """

    config: TransformerConfig
    arrays: dict[str, NDArray[np.float32]]
    token: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        config: TransformerConfig,
        arrays: dict[str, NDArray[np.float32]],
        gene: NDArray[np.int32],
    ) -> Start:
        """Cut a Transformer down to features.

        Parameters
        ----------
        config, arrays
            The Transformer.
        gene
            Its gene for each feature ``(n_features,)``, -1 for none.
        """
        known = gene >= 0
        token = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
        few = np.ascontiguousarray(arrays["gene.weight"][gene[known]])
        return cls(config, arrays | {"gene.weight": few}, token)


def fine_tune(
    start: Start,
    cells: TrainingCells,
    standardiser: Standardiser,
    *,
    axes: NDArray[np.float32],
    goal: Goal,
    config: TrainConfig,
    run: Run,
) -> Learned:
    """Learn to turn the state of <cls> into the anchor of a cell's type, all layers at once.

    Deterministic on the CPU, as :func:`atlash.nn.train.train` is. Counts are thinned and genes
    left out as there; mixup and jitter of genes do not apply to tokens.

    Parameters
    ----------
    start
        The pre-trained Transformer.
    cells
        What to learn from.
    standardiser
        Frozen statistics of the features, for the components.
    axes
        Principal axes ``(n_features, n_components)``, kept for detail bits.
    goal
        Anchors of the types, and their parents if they have any.
    config
        Options: steps, batch size, rates and the weights of the loss.
    run
        Where, from which seed, and who may end it.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    """
    model = restore_transformer(start.config, start.arrays).train().to(run.device)
    head = _head(start.config.width, goal.anchors.shape[1], run)
    objective = Objective(
        goal.anchors,
        cells.labels,
        config,
        random_state=run.random_state,
        parents=goal.parents,
    ).to(run.device)
    learned = [*model.parameters(), *head.parameters(), *objective.parameters()]
    learned = [parameter for parameter in learned if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        learned, lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        config.learning_rate,
        total_steps=max(MIN_SCHEDULE, config.n_steps + 1),
        pct_start=0.2,
    )
    drawn = _batches(start, cells, config, np.random.default_rng(run.random_state))
    step = 0
    for step, (sentences, labels) in enumerate(drawn, start=1):
        target = nn.functional.one_hot(labels, cells.n_types).float().to(run.device)
        loss = objective(head(model.embed(sentences.to(run.device)))[None], target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        run.progress(_finite(loss.item(), step, config))
        optimiser.step()
        schedule.step()
        if step == config.n_steps or run.stop.is_set():
            break
    encoder = TransformerEncoder.of(
        start.config,
        transformer_arrays(model),
        (
            np.ascontiguousarray(head.weight.detach().cpu().numpy().T),
            head.bias.detach().cpu().numpy().copy(),
        ),
        token=start.token,
        standardiser=standardiser,
        axes=axes,
    )
    signs = torch.where(objective.current_anchors() > 0, 1, -1).to(torch.int8).cpu().numpy()
    return Learned(encoder, signs, step)


def _head(width: int, n_bits: int, run: Run) -> nn.Linear:
    """Return the last layer with weights from our own generator."""
    with torch.device("meta"):
        head = nn.Linear(width, n_bits)
    head = head.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(run.random_state)
    with torch.no_grad():
        head.weight.normal_(0, width**-0.5, generator=generator)
        head.bias.zero_()
    return head.to(run.device)


def _finite(loss: float, step: int, config: TrainConfig) -> float:
    """Return the loss, if it is a number."""
    if math.isfinite(loss):
        return loss
    msg = (
        f"The loss became {loss} at step {step} of fine-tuning. Check the counts for extreme "
        f"values, or lower the learning rate (now {config.learning_rate:g})."
    )
    raise TrainingError(msg)


def _batches(
    start: Start, cells: TrainingCells, config: TrainConfig, rng: np.random.Generator
) -> Iterator[tuple[Sentences, torch.Tensor]]:
    """Yield cells with counts thinned and genes left out, and their types, without end."""
    counts = known_columns(cells.counts, start.token)
    n, shape = len(cells.labels), start.config
    size = min(config.batch_size, n)
    order, at = rng.permutation(n), 0
    while True:
        if at + size > n:
            order, at = rng.permutation(n), 0
        index = order[at : at + size]
        at += size
        seed = int(rng.integers(2**63))
        rows = _augmented(sp.csr_array(counts[index]), config, rng)
        tokens = tokenise(rows, n_tokens=shape.n_tokens, sampling=shape.sampling, seed=seed)
        nothing = np.zeros_like(tokens.there)
        domain = np.full(size, UNKNOWN_DOMAIN)
        sentences = Sentences.of(tokens, nothing, domain=domain, config=shape)
        yield sentences, torch.from_numpy(cells.labels[index])


def _augmented(rows: sp.csr_array, config: TrainConfig, rng: np.random.Generator) -> sp.csr_array:
    """Return ``log1p`` of counts, some cells thinned, genes of each left out, CSR."""
    n = rows.shape[0]
    row = np.repeat(np.arange(n), np.diff(rows.indptr))
    share = np.ones(n)
    thinned = rng.random(n) < config.thin_probability
    share[thinned] = rng.uniform(config.thin_least, 1, int(thinned.sum()))
    values = rows.data.astype(np.float32)
    entries = thinned[row]
    values[entries] = thin(values[entries], share[row[entries]], rng)
    missing = rng.uniform(0, 2 * config.gene_dropout, n)
    keep = (values > 0) & (rng.random(len(row)) >= missing[row])
    bounds = np.concatenate(([0], np.cumsum(keep)))[rows.indptr]
    return sp.csr_array((np.log1p(values[keep]), rows.indices[keep], bounds), shape=rows.shape)
