"""The recipe of scHash, written anew from its description with its public code's settings.

As in that code: log10(x + 1) without size factors, 1,000 variable genes, division by the training
deviations, a query first moved to the training means and deviations gene by gene (so a cell's
label depends on its company), a 500-250-64 network with dropout .5 after its first layer, the
first rows of a Hadamard matrix as anchors, class-balanced binary cross entropy plus a squared
quantisation loss, Adam at 1.2e-5 halved every 100 epochs, batches of 128, 200 epochs, the best of
every tenth epoch by median F1 on a fifth of the training cells, and labels by the smallest L1
distance between the network's raw output and the anchors.

Departures: the deviation of a gene that is silent in the query counts as one rather than
dividing by zero (scikit-learn does the same), and everything is seeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.linalg import hadamard
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from benchmarks.outcome import NOTHING, Outcome
from benchmarks.peers.variable_genes import variable_genes
from benchmarks.tasks import BATCH, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_BITS = 64
N_GENES = 1000
EPOCHS = 200
CHECK_EVERY = 10
BATCH_SIZE = 128
LEARNING_RATE = 1.2e-5
WEIGHT_DECAY = 1e-4
QUANTISATION = 1e-3
BALANCE = 0.9999
FEWEST_CELLS = 4


@dataclass(frozen=True)
class Inputs:
    """Scaled cells ``(n_cells, n_genes)`` float32, class numbers, and the names of the classes."""

    train: Tensor
    classes: NDArray[np.int64]
    test: Tensor
    names: NDArray[np.str_]


def seed(task: Task) -> Outcome:
    """Train the seed's network on a task and label its test cells."""
    start = perf_counter()
    torch.manual_seed(0)
    inputs = _inputs(task)
    anchors = torch.from_numpy(hadamard(N_BITS)[: len(inputs.names)].astype(np.float32))
    network = _train(inputs, anchors)
    fitted = perf_counter()
    labels = inputs.names[_nearest(network, inputs.test, anchors)]
    return Outcome(labels, NOTHING, NOTHING, fitted - start, perf_counter() - fitted)


def continuous_codes(task: Task) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Train the seed's network; return its raw output for test and for training cells.

    The bits are the signs. Every type needs the four cells that the seed asks for.
    """
    torch.manual_seed(0)
    inputs = _inputs(task)
    if len(inputs.classes) < len(task.labels):
        msg = f"{task.name} has a type of fewer than {FEWEST_CELLS} cells, which the seed drops."
        raise ValueError(msg)
    anchors = torch.from_numpy(hadamard(N_BITS)[: len(inputs.names)].astype(np.float32))
    network = _train(inputs, anchors)
    network.eval()
    with torch.no_grad():
        return network(inputs.test).numpy(), network(inputs.train).numpy()


def _inputs(task: Task) -> Inputs:
    names, classes, counts = np.unique(task.labels, return_inverse=True, return_counts=True)
    kept = counts[classes] >= FEWEST_CELLS
    names, classes = np.unique(task.labels[kept], return_inverse=True)
    cells = task.train[kept]
    train, test = (half.X.log1p() / np.float32(np.log(10)) for half in (cells, task.test))
    batches = np.asarray(cells.obs[BATCH]) if task.batch_key else np.zeros(len(classes))
    genes = variable_genes(train, batches, n_top=min(N_GENES, train.shape[1]))
    train, test = train[:, genes].toarray(), test[:, genes].toarray()
    deviation, test_deviation = _deviation(train), _deviation(test)
    moved = (test - test.mean(axis=0)) / test_deviation * deviation + train.mean(axis=0)
    return Inputs(
        train=torch.from_numpy((train / deviation).astype(np.float32)),
        classes=classes,
        test=torch.from_numpy((moved / deviation).astype(np.float32)),
        names=names,
    )


def _deviation(values: NDArray[np.float32]) -> NDArray[np.float32]:
    deviation = values.std(axis=0)
    deviation[deviation == 0] = 1.0
    return deviation


def _train(inputs: Inputs, anchors: Tensor) -> nn.Module:
    rows, held_out = train_test_split(
        np.arange(len(inputs.classes)), train_size=0.8, stratify=inputs.classes, random_state=42
    )
    network = nn.Sequential(
        nn.Linear(inputs.train.shape[1], 500),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(500, 250),
        nn.ReLU(),
        nn.Linear(250, N_BITS),
    )
    optimiser = torch.optim.Adam(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=100, gamma=0.5)
    weights = _class_weights(np.bincount(inputs.classes[rows], minlength=len(inputs.names)))
    classes = torch.from_numpy(inputs.classes)
    best, best_score = network.state_dict(), -1.0
    for epoch in range(EPOCHS):
        network.train()
        for batch in torch.from_numpy(rows)[torch.randperm(len(rows))].split(BATCH_SIZE):
            chosen = classes[batch]
            loss = _loss(network(inputs.train[batch]), anchors[chosen], weights[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
        if (epoch + 1) % CHECK_EVERY == 0:
            guess = _nearest(network, inputs.train[held_out], anchors)
            score = float(np.median(f1_score(inputs.classes[held_out], guess, average=None)))
            if score > best_score:
                best = {name: value.clone() for name, value in network.state_dict().items()}
                best_score = score
    network.load_state_dict(best)
    return network


def _class_weights(counts: NDArray[np.int64]) -> Tensor:
    weight = (1 - BALANCE) / (1 - BALANCE**counts)
    return torch.from_numpy((weight / weight.sum() * len(counts)).astype(np.float32))


def _loss(raw: Tensor, anchors: Tensor, weight: Tensor) -> Tensor:
    squashed = raw.tanh()
    nats = nn.functional.binary_cross_entropy(
        (squashed + 1) / 2, (anchors + 1) / 2, weight=weight[:, None].expand_as(raw)
    )
    return nats + QUANTISATION * (squashed.abs() - 1).square().mean()


@torch.no_grad()
def _nearest(network: nn.Module, cells: Tensor, anchors: Tensor) -> NDArray[np.int64]:
    network.eval()
    return torch.cdist(network(cells), anchors, p=1).argmin(dim=1).numpy()
