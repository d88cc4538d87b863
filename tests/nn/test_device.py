import pytest
import torch

from atlash.errors import InputError
from atlash.nn.device import resolve_device


def test_auto_takes_a_gpu_where_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


def test_takes_a_device_by_name():
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cpu:abc", "meta", None, 1.5, ["cpu"]])
def test_says_which_device_cannot_be_used_and_what_to_do(name):
    with pytest.raises(InputError, match=r"cannot be used here .*`device='auto'` or .*='cpu'`"):
        resolve_device(name)


def test_a_kind_that_torch_does_not_know_comes_without_its_long_list():
    with pytest.raises(InputError, match=r"'gpu' cannot .*no such kind.*GPU is 'cuda'") as caught:
        resolve_device("gpu")
    assert "opengl" not in str(caught.value)
