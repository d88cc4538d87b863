"""Options of the wrong type: the example that is told can be run."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import atlash
from atlash import (
    AnnotateConfig,
    BuildConfig,
    ClusterConfig,
    EmbedConfig,
    PretrainConfig,
    SearchConfig,
    TrainConfig,
    TransformerConfig,
)
from atlash.checks import check_name, checked_config, checked_path
from atlash.config import LearnConfig, LossConfig, MiningConfig
from atlash.errors import InputError

KINDS = (
    AnnotateConfig,
    BuildConfig,
    ClusterConfig,
    EmbedConfig,
    PretrainConfig,
    SearchConfig,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "n_threads"),
    [
        ({}, None),
        (3, None),
        ({"nothing": 1}, None),
        ({"n_threads": 2}, 2),
        ({"n_threads": 2, "scale": {}, "min_shared": None}, 2),
        ({"n_threads": {}}, None),
    ],
    ids=repr,
)
def test_the_example_can_be_run(kind, given, n_threads):
    """Of a dict it is the first option that is there and can be shown."""
    with pytest.raises(InputError) as caught:
        checked_config(given, kind)
    made = eval(str(caught.value).split("`config=")[1].removesuffix("`."), vars(atlash.config))
    assert made == kind(n_threads=n_threads)


def test_a_long_value_is_cut_short():
    with pytest.raises(InputError) as caught:
        checked_config(dict.fromkeys(map(str, range(1000)), "x" * 10000), SearchConfig)
    assert len(str(caught.value)) < 500


def test_options_stay_as_they_are_and_none_is_the_default():
    given = SearchConfig(n_threads=1)
    assert checked_config(given, SearchConfig) is given
    assert checked_config(None, SearchConfig) == SearchConfig()


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        (TrainConfig, {"n_steps": "10"}, "`n_steps` is '10', but must be a whole number."),
        (TrainConfig, {"n_steps": 1e3}, "`n_steps` is 1000.0, but must be a whole number."),
        (TrainConfig, {"n_steps": True}, "`n_steps` is True, but must be a whole number."),
        (TrainConfig, {"n_bits": 64.0}, "`n_bits` is 64.0, but must be a whole number or None."),
        (TrainConfig, {"dropout": None}, "`dropout` is None, but must be a number."),
        (TrainConfig, {"dropout": "0.3"}, "`dropout` is '0.3', but must be a number."),
        (TrainConfig, {"learned_anchors": "no"}, "is 'no', but must be True or False."),
        (
            TrainConfig,
            {"quantisation": ["none"]},
            "but must be one of 'none', 'squared', 'cauchy'",
        ),
        (
            BuildConfig,
            {"scale": "log1P"},
            "`scale` is 'log1P', but must be one of 'auto', 'counts",
        ),
        (
            BuildConfig,
            {"train": TrainConfig(n_folds=2.5)},
            "`n_folds` is 2.5, but must be a whole",
        ),
        (ClusterConfig, {"n_threads": "2"}, "`n_threads` is '2', but must be a whole number or "),
        (LearnConfig, {"reconstruct": "x"}, "one of 'poisson', 'nb', 'zinb', 'none'."),
        (SearchConfig, {"method": None}, "`method` is None, but must be one of 'auto', 'flat'"),
    ],
)
def test_an_option_of_another_type(kind, given, told):
    """Not an error of Python's later on, nor a scale that is silently taken for another."""
    with pytest.raises(InputError, match=re.escape(told)):
        checked_config(kind(**given), kind)


@pytest.mark.parametrize(
    "given",
    [
        TrainConfig(n_steps=np.int64(3), dropout=np.float32(0.1), learned_anchors=np.True_),
        TrainConfig(dropout=0, n_bits=64, loss="ginf"),
        TrainConfig(loss=LossConfig(), mining=MiningConfig()),
        BuildConfig(hierarchy={"CD4 T": "T"}, parents=("T",), n_threads=2),
    ],
    ids=repr,
)
def test_options_of_numpys_types_and_of_types_of_their_own(given):
    assert checked_config(given, type(given)) == given


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_is_of_its_type(kind):
    assert checked_config(kind(), kind) == kind()


@pytest.mark.parametrize(
    "given", [None, 3, 1.5, True, b"a", ["a"], {}, "a\0b", Path("a\0b"), ...], ids=repr
)
def test_what_is_no_path(given):
    with pytest.raises(InputError, match=r"^`path` is .* but must be a path, for example"):
        checked_path(given)


def test_paths():
    assert checked_path("a/b") == checked_path(Path("a/b")) == Path("a/b")


@pytest.mark.parametrize("given", [["a"], {}, {"a"}, np.array(["a"])], ids=repr)
def test_what_is_no_name(given):
    with pytest.raises(InputError, match=r"^`layer` is .* but must be one name, for example"):
        check_name(given, "layer")


@pytest.mark.parametrize("given", ["a", None, 3, ("a", "b")])
def test_what_may_be_a_name(given):
    check_name(given, "layer")


def test_a_home_folder_that_is_not_known():
    with pytest.raises(InputError, match=r"^`out` is '~nobody-of-this-name/x', whose home"):
        checked_path("~nobody-of-this-name/x", name="out")


@pytest.mark.parametrize("given", ["~/a", Path("~/a")])
def test_a_path_of_either_type(given):
    assert checked_path(given) == Path.home() / "a"


@pytest.mark.parametrize("kind", [BuildConfig, ClusterConfig, PretrainConfig, SearchConfig])
@pytest.mark.parametrize("given", [0, -1, 1.0, True, "all"], ids=repr)
def test_what_is_no_number_of_threads(kind, given):
    """-1 was taken for one thread; scikit-learn's users mean all cores."""
    with pytest.raises(InputError, match=r"^`n_threads` is .* but must be a whole number"):
        checked_config(kind(n_threads=given), kind)


def test_numbers_of_numpy_become_pythons():
    """They have no place in the JSON that is saved."""
    model = TransformerConfig(n_tokens=np.int32(9))
    given = PretrainConfig(n_steps=np.int64(3), learning_rate=np.float32(0.5), model=model)
    found = checked_config(given, PretrainConfig)
    json.dumps(dataclasses.asdict(found))
    assert (found.n_steps, found.learning_rate, found.model.n_tokens) == (3, 0.5, 9)
    assert given == found
