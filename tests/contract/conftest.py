"""Every function and class that atlash's modules define and do not call private."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest

import atlash


def modules():
    """Import and return all modules of the package."""
    found = pkgutil.walk_packages(atlash.__path__, prefix="atlash.")
    return [atlash, *(import_module(info.name) for info in found)]


def public_functions():
    """Return functions and methods by dotted name."""
    found = {}
    for module in modules():
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            where = f"{module.__name__}.{name}"
            if inspect.isfunction(thing):
                found[where] = thing
            elif inspect.isclass(thing):
                found |= {f"{where}.{key}": value for key, value in methods(thing).items()}
    return found


def methods(kind):
    """Return what a class defines itself; the constructor unless a decorator wrote it."""
    own = {}
    for name, thing in vars(kind).items():
        function = getattr(thing, "__func__", thing)
        written = inspect.isfunction(function) and function.__module__ == kind.__module__
        generated = name == "__init__" and hasattr(kind, "__dataclass_fields__")
        if written and not generated and (not name.startswith("_") or name == "__init__"):
            own[name] = function
    return own


FUNCTIONS = public_functions()


@pytest.fixture(params=FUNCTIONS.values(), ids=FUNCTIONS.keys())
def function(request):
    """One public function or method."""
    return request.param
