"""Options of the wrong type: the example that is told can be run."""

from pathlib import Path

import pytest

import atlash
from atlash import (
    AnnotateConfig,
    BuildConfig,
    ClusterConfig,
    EmbedConfig,
    PretrainConfig,
    SearchConfig,
)
from atlash.checks import checked_config, checked_path
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


@pytest.mark.parametrize("given", [None, 3, True, 1.5, b"name", ["a"], {}, ...], ids=repr)
def test_what_is_no_path(given):
    with pytest.raises(InputError, match=r"^`path` is .*, but must be a path, for example"):
        checked_path(given)


def test_a_home_folder_that_is_not_known():
    with pytest.raises(InputError, match=r"^`out` is '~nobody-of-this-name/x', whose home"):
        checked_path("~nobody-of-this-name/x", name="out")


@pytest.mark.parametrize("given", ["~/a", Path("~/a")])
def test_a_path_of_either_type(given):
    assert checked_path(given) == Path.home() / "a"
