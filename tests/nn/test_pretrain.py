from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from atlash.config import PretrainConfig, TransformerConfig
from atlash.nn.gene_tokens import hide, tokenise
from atlash.nn.gene_transformer import Sentences, make_transformer
from atlash.nn.pretrain import (
    PART,
    Learner,
    ThreadedGradients,
    cell_losses,
    draw_sentences,
    joined,
    rate_at,
)
from atlash.nn.train import single_thread

N_GENES = 30
CPU = torch.device("cpu")
TINY = PretrainConfig(
    model=TransformerConfig(n_tokens=20, width=16, n_layers=1, n_heads=2, n_hidden=32),
    n_steps=90,
    batch_size=32,
    learning_rate=0.01,
    warmup=0.1,
)


def draw_cells(n, seed):
    """Two kinds of cells: ten genes of each are its own, ten more are high in one or the other."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, (n, 1))
    gene = np.arange(N_GENES)
    silent = gene // 10 == kind
    high = (gene >= 20) & (gene % 2 == kind)
    counts = 1 + rng.poisson(np.where(high, 400.0, np.where(gene >= 20, 4.0, 40.0)), (n, N_GENES))
    return sp.csr_array(np.log1p(np.where(silent, 0, counts)))


def draw_part(X, config, step, part):
    rows = X[(step * 32 + part * PART) % len_of(X) :][:PART]
    rng = np.random.default_rng([0, step, part])
    return draw_sentences(rows, np.zeros(rows.shape[0], np.int64), config, rng=rng)


def len_of(X):
    return X.shape[0]


def make_learner(config, *, n_threads=1):
    model = make_transformer(config.model, N_GENES, 0, random_state=0)
    return Learner(model, ThreadedGradients(model, config, CPU, n_threads=n_threads), config)


def learn(learner, X, n_steps):
    losses = []
    with single_thread():
        for _ in range(n_steps):
            draw = partial(draw_part, X, learner.config, learner.n_steps)
            losses.append(learner.losses(draw, 4).mean().item())
            assert learner.move()
    return losses


@pytest.mark.parametrize("form", ["bins", "continuous"])
def test_learning_beats_the_mean(form):
    """By far more than each gene's mean, which needs no look at the cell."""
    config = replace(TINY, model=replace(TINY.model, values=form))
    learner = make_learner(config)
    losses = learn(learner, draw_cells(320, 0), 90)
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    fresh = draw_cells(400, 1)
    cells = draw_sentences(fresh, np.zeros(400, np.int64), config, rng=np.random.default_rng(0))
    with torch.no_grad():
        from_token, from_cell = learner.model.eval()(cells)
    hidden = cells.hidden
    gene, target = cells.genes[hidden], cells.target[hidden]
    of_gene = torch.stack([target[gene == k].mean() for k in range(N_GENES)])
    by_mean = ((of_gene[gene] - target) ** 2).mean()
    for predicted in (from_token, from_cell):
        assert ((predicted[hidden] - target) ** 2).mean() < 0.7 * by_mean


def test_losses_are_means_of_squares_over_hidden_values():
    X = draw_cells(8, 0)
    tokens = tokenise(X, n_tokens=20, sampling="random", seed=0)
    hidden = hide(tokens, (0.5,), np.random.default_rng(0))
    hidden[3] = False
    cells = Sentences.of(tokens, hidden, domain=np.zeros(8, np.int64), config=TINY.model)
    model = make_transformer(TINY.model, N_GENES, 0, random_state=0)
    with torch.no_grad():
        found = cell_losses(model, cells, 0.3)
        from_token, from_cell = (p.numpy() for p in model(cells))
    for row in range(8):
        target = cells.target.numpy()[row, hidden[row]]
        wrong = (from_token[row, hidden[row]] - target) ** 2
        wrong = wrong + 0.3 * (from_cell[row, hidden[row]] - target) ** 2
        expected = wrong.mean() if hidden[row].any() else 0.0
        assert found[row].item() == pytest.approx(expected, rel=1e-4)


def test_gradients_are_those_of_finite_differences():
    config = replace(TINY, model=replace(TINY.model, width=4, n_hidden=4, n_heads=1))
    model = make_transformer(config.model, N_GENES, 0, random_state=0).double()
    part = draw_part(draw_cells(32, 0), config, 0, 0)
    gradients = torch.autograd.grad(cell_losses(model, part, 1.0).sum(), list(model.parameters()))
    rng = np.random.default_rng(0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        at = int(rng.integers(parameter.numel()))
        flat = parameter.data.view(-1)
        sums = []
        for step in (5e-4, -1e-3):
            flat[at] += step
            sums.append(cell_losses(model, part, 1.0).double().sum().item())
        flat[at] += 5e-4
        assert gradient.view(-1)[at].item() == pytest.approx(
            (sums[0] - sums[1]) / 1e-3, rel=0.02, abs=2e-3
        )


def test_results_are_the_same_for_any_number_of_threads():
    X = draw_cells(64, 0)
    one, three = make_learner(TINY), make_learner(TINY, n_threads=3)
    assert learn(one, X, 5) == learn(three, X, 5)
    for a, b in zip(one.model.parameters(), three.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_parts_together_give_the_losses_of_each():
    X = draw_cells(64, 0)
    X = sp.csr_array(X.toarray() * (np.random.default_rng(0).random(X.shape) < 0.5))
    model = make_transformer(TINY.model, N_GENES, 0, random_state=0)
    parts = [draw_part(X, TINY, 0, part) for part in range(4)]
    assert len({part.genes.shape[1] for part in parts}) > 1
    with torch.no_grad():
        apart = torch.cat([cell_losses(model, part, 1.0) for part in parts])
        torch.testing.assert_close(cell_losses(model, joined(parts), 1.0), apart)


def test_a_resumed_learner_goes_on_bit_by_bit():
    X = draw_cells(64, 0)
    whole = make_learner(TINY)
    losses = learn(whole, X, 12)
    first = make_learner(TINY)
    learn(first, X, 5)
    second = make_learner(TINY)
    second.model.load_state_dict(first.model.state_dict())
    second.resume(5, first.moments())
    assert learn(second, X, 7) == losses[5:]
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_missing_moment_is_an_error():
    learner = make_learner(TINY)
    learn(learner, draw_cells(32, 0), 1)
    moments = learner.moments()
    del moments["cls.exp_avg"]
    with pytest.raises(KeyError, match=r"cls\.exp_avg"):
        make_learner(TINY).resume(1, moments)


def test_a_gradient_that_is_not_finite_moves_nothing():
    learner = make_learner(TINY)
    learn(learner, draw_cells(32, 0), 1)
    before = [p.detach().clone() for p in learner.model.parameters()]
    next(learner.model.parameters()).grad[0] = torch.nan
    assert not learner.move()
    assert learner.n_steps == 1
    assert all(map(torch.equal, before, learner.model.parameters()))


def test_tables_and_vectors_do_not_decay():
    learner = make_learner(TINY)
    decayed, others = learner.optimiser.param_groups
    assert decayed["weight_decay"] == TINY.weight_decay
    assert others["weight_decay"] == 0
    assert len(decayed["params"]) + len(others["params"]) == len(list(learner.model.parameters()))
    kept = {id(p) for p in others["params"]}
    assert {id(learner.model.gene.weight), id(learner.model.value.table.weight)} <= kept


def test_the_rate_rises_and_falls_to_a_tenth():
    config = replace(TINY, n_steps=100, warmup=0.1)
    rates = [rate_at(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert np.argmax(rates) in {9, 10}
    assert max(rates) == 1
    assert (np.diff(rates[10:]) < 0).all()
    assert 0.1 < rates[-1] < 0.11


def test_domains_are_left_out_as_often_as_asked():
    X = draw_cells(2000, 0)
    domain = np.full(2000, 2)
    for share in (0.0, 0.3, 1.0):
        config = replace(TINY, unknown_domain=share)
        cells = draw_sentences(X, domain, config, rng=np.random.default_rng(0))
        assert (cells.domain == 0).float().mean() == pytest.approx(share, abs=0.05)
