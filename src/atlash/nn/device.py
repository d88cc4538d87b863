"""Which device learns."""

from __future__ import annotations

import torch

from atlash.errors import InputError


def resolve_device(name: str) -> torch.device:
    """Return the device of this name; ``"auto"`` takes a GPU where there is one.

    Raises
    ------
    InputError
        If there is no such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        msg = (
            f"The device {name!r} cannot be used here ({_reason(error)}). "
            "Use `device='auto'` or `device='cpu'`; an NVIDIA GPU is 'cuda', an Apple one 'mps'."
        )
        raise InputError(msg) from error
    return device


def _reason(error: Exception) -> str:
    """Return the reason in torch's words, but not its list of thirty devices."""
    if isinstance(error, TypeError):
        return "it is not the name of one"
    told = str(error).splitlines()[0]
    return "there is no such kind" if told.startswith("Expected one of") else told
