"""How functions are called: few arguments by position, none unnamed, a dataclass for many."""

import dataclasses
import inspect

import pytest

import atlash

BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters(function):
    found = list(inspect.signature(function).parameters.values())
    return found[1:] if found and found[0].name in {"self", "cls"} else found


def test_at_most_three_arguments_by_position(function):
    by_position = [p.name for p in parameters(function) if p.kind in BY_POSITION]
    assert len(by_position) <= 3, by_position


def test_no_argument_is_unnamed(function):
    assert not [p.name for p in parameters(function) if p.kind in UNNAMED]


def test_at_most_eight_arguments(function):
    # typer makes one option of each argument of a command
    if not function.__module__.startswith("atlash.cli."):
        assert len(parameters(function)) <= 8


def test_every_argument_and_result_is_annotated(function):
    signature = inspect.signature(function)
    assert all(p.annotation is not p.empty for p in parameters(function))
    assert signature.return_annotation is not signature.empty


@pytest.mark.parametrize("name", [name for name in atlash.__all__ if name.endswith("Config")])
def test_options_are_frozen_and_all_have_a_default(name):
    config = getattr(atlash, name)()
    first = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, first, None)
    assert config == getattr(atlash, name)()
