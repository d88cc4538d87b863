"""The public names, and nothing else."""

import importlib.metadata
import types

import pytest

import atlash

PUBLIC = [
    "AnnotateConfig",
    "AttentionConfig",
    "BuildConfig",
    "ClusterConfig",
    "EmbedConfig",
    "FineTuneConfig",
    "HashClusterer",
    "InputConfig",
    "LearnConfig",
    "LossConfig",
    "MiningConfig",
    "PretrainConfig",
    "PretrainedEncoder",
    "Reference",
    "SearchConfig",
    "TrainConfig",
    "TransformerConfig",
    "__version__",
    "errors",
    "pl",
    "tl",
]
VERBS = {
    "tl": [
        "Evaluation",
        "Hits",
        "annotate",
        "assign",
        "cluster",
        "count_within",
        "embed",
        "evaluate",
        "markers",
        "neighbors",
        "paga",
        "pseudotime",
        "search",
        "umap",
    ],
    "pl": ["confusion"],
}


def test_the_package_offers_its_public_names_alone():
    assert sorted(PUBLIC) == atlash.__all__ == dir(atlash)


def test_nothing_else_leaks_from_the_root():
    """What stands in the module's dictionary is public, private, or a module of the package."""
    for name, thing in vars(atlash).items():
        known = name in PUBLIC or name.startswith("_") or isinstance(thing, types.ModuleType)
        assert known or name in {"annotations", "import_module", "version", "TYPE_CHECKING", "Any"}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_resolves(name):
    thing = getattr(atlash, name)
    if isinstance(thing, types.ModuleType):
        assert thing.__name__ == f"atlash.{name}"
    elif isinstance(thing, type):
        assert thing.__name__ == name
    else:
        assert isinstance(thing, str)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'atlash' has no attribute 'annotate'"):
        _ = atlash.annotate


def test_a_star_import_gives_the_public_names():
    space = {}
    exec("from atlash import *", space)
    assert set(space) - {"__builtins__"} == set(PUBLIC)


@pytest.mark.parametrize(("floor", "names"), VERBS.items())
def test_each_floor_of_verbs_offers_its_functions_alone(floor, names):
    module = getattr(atlash, floor)
    assert module.__all__ == names
    offered = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and not isinstance(thing, types.ModuleType)
    }
    assert offered == set(names)


def test_every_error_is_an_atlash_error_in_the_drawn_tree():
    errors = {
        name: thing for name, thing in vars(atlash.errors).items() if isinstance(thing, type)
    }
    for name, thing in errors.items():
        assert issubclass(thing, atlash.errors.AtlashError)
        assert name in atlash.errors.__doc__
    assert issubclass(atlash.errors.InputError, ValueError)
    assert issubclass(atlash.errors.OutputError, OSError)


def test_the_version_is_that_of_the_installed_package():
    assert atlash.__version__ == importlib.metadata.version("atlash")
