import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from atlash.nn.count_losses import negative_binomial_loss, poisson_loss, zero_inflated_loss

COUNTS = np.array([0, 0, 1, 2, 7, 40, 500], dtype=float)
LOGS = st.floats(-4, 6)


def tensors(*values):
    return [torch.as_tensor(v, dtype=torch.float64) for v in values]


def binomial(mean, dispersion):
    size = 1 / dispersion
    return stats.nbinom(size, size / (size + mean))


@given(LOGS)
def test_poisson_is_that_of_scipy(log_mean):
    found = poisson_loss(*tensors(COUNTS, log_mean)).numpy()
    np.testing.assert_allclose(found, -stats.poisson(np.exp(log_mean)).logpmf(COUNTS), rtol=1e-9)


@given(LOGS, st.floats(-6, 4))
def test_negative_binomial_is_that_of_scipy(log_mean, log_dispersion):
    found = negative_binomial_loss(*tensors(COUNTS, log_mean, log_dispersion)).numpy()
    law = binomial(np.exp(log_mean), np.exp(log_dispersion))
    np.testing.assert_allclose(found, -law.logpmf(COUNTS), rtol=1e-7, atol=1e-9)


@given(LOGS, st.floats(-6, 4), st.floats(-5, 5))
def test_zero_inflated_is_a_mixture_with_zero(log_mean, log_dispersion, dropout_logit):
    arguments = tensors(COUNTS, log_mean, log_dispersion, dropout_logit)
    found = zero_inflated_loss(*arguments[:3], dropout_logit=arguments[3]).numpy()
    dropped = 1 / (1 + np.exp(-dropout_logit))
    law = binomial(np.exp(log_mean), np.exp(log_dispersion))
    expected = np.where(COUNTS == 0, np.logaddexp(
        np.log(dropped), np.log1p(-dropped) + law.logpmf(0)
    ), np.log1p(-dropped) + law.logpmf(COUNTS))  # fmt: skip
    np.testing.assert_allclose(found, -expected, rtol=1e-7, atol=1e-9)


def test_small_dispersion_comes_near_to_poisson():
    poisson = poisson_loss(*tensors(COUNTS, 1.0))
    near = negative_binomial_loss(*tensors(COUNTS, 1.0, -16.0))
    assert not torch.allclose(negative_binomial_loss(*tensors(COUNTS, 1.0, 0.0)), poisson)
    torch.testing.assert_close(near, poisson, rtol=1e-3, atol=1e-6)


def _zero_inflated(counts, log_mean, log_dispersion, dropout_logit):
    return zero_inflated_loss(counts, log_mean, log_dispersion, dropout_logit=dropout_logit)


@pytest.mark.parametrize(
    ("loss", "n"), [(poisson_loss, 1), (negative_binomial_loss, 2), (_zero_inflated, 3)]
)
def test_gradients(loss, n):
    rng = np.random.default_rng(0)
    counts = torch.from_numpy(rng.integers(0, 4, (3, 4)).astype(float))
    given = [torch.from_numpy(rng.normal(size=(3, 4))).requires_grad_() for _ in range(n)]
    assert torch.autograd.gradcheck(lambda *values: loss(counts, *values), given)


@pytest.mark.parametrize("log_mean", [-30.0, 12.0])
def test_extreme_means_stay_finite_in_float32(log_mean):
    mean = torch.full((2,), log_mean, requires_grad=True)
    nats = zero_inflated_loss(
        torch.tensor([0.0, 3.0]), mean, torch.tensor(0.0), dropout_logit=torch.tensor(-2.0)
    )
    nats.sum().backward()
    assert torch.isfinite(nats).all()
    assert torch.isfinite(mean.grad).all()
