"""Options of the wrong type, given to every entry point: refused first, with an example."""

import pytest

from atlash import (
    AnnotateConfig,
    BuildConfig,
    ClusterConfig,
    EmbedConfig,
    HashClusterer,
    PretrainConfig,
    PretrainedEncoder,
    Reference,
    SearchConfig,
    TrainConfig,
    tl,
)
from atlash.config import AttentionConfig, FineTuneConfig, LearnConfig, TransformerConfig
from atlash.errors import InputError

ENTRIES = {
    "Reference.build": (BuildConfig, lambda c: Reference.build(None, "kind", config=c)),
    "HashClusterer": (ClusterConfig, lambda c: HashClusterer(config=c)),
    "PretrainedEncoder.pretrain": (
        PretrainConfig,
        lambda c: PretrainedEncoder.pretrain(None, "nowhere", config=c),
    ),
    "tl.annotate": (AnnotateConfig, lambda c: tl.annotate(None, None, config=c)),
    "tl.cluster": (ClusterConfig, lambda c: tl.cluster(None, config=c)),
    "tl.count_within": (SearchConfig, lambda c: tl.count_within(None, None, 3, config=c)),
    "tl.embed": (EmbedConfig, lambda c: tl.embed(None, None, config=c)),
    "tl.evaluate": (AnnotateConfig, lambda c: tl.evaluate(None, labels_key="kind", config=c)),
    "tl.neighbors": (SearchConfig, lambda c: tl.neighbors(None, None, config=c)),
    "tl.search": (SearchConfig, lambda c: tl.search(None, None, config=c)),
}
"""What takes options, of which type; called without cells, as options are looked at first."""
OTHERS = [{}, {"n_threads": 1}, {"threads": 1}, 3, 0, False, "auto", (), ..., dict]


def test_no_entry_point_is_left_out():
    taking = {f"tl.{name}": getattr(tl, name) for name in tl.__all__}
    taking |= {"Reference.build": Reference.build, "HashClusterer": HashClusterer.__init__}
    taking |= {"PretrainedEncoder.pretrain": PretrainedEncoder.pretrain}
    found = {name for name, entry in taking.items() if "config" in entry.__annotations__}
    assert found == set(ENTRIES)


@pytest.mark.parametrize("given", OTHERS, ids=repr)
@pytest.mark.parametrize("name", ENTRIES)
def test_options_of_another_type(name, given):
    kind, call = ENTRIES[name]
    with pytest.raises(InputError) as caught:
        call(given)
    told = str(caught.value)
    assert told.startswith("`config` is ")
    assert f"({type(given).__name__}), but must be of type {kind.__name__}, for example" in told


@pytest.mark.parametrize("name", ENTRIES)
def test_a_class_and_the_options_of_something_else(name):
    kind, call = ENTRIES[name]
    with pytest.raises(InputError, match=r"\(type\), but must be of type"):
        call(kind)
    with pytest.raises(InputError, match=r"\(TrainConfig\), but must be of type"):
        call(TrainConfig())


@pytest.mark.parametrize(
    ("call", "name", "kind"),
    [
        (lambda c: Reference.build(None, "k", config=BuildConfig(train=c)), "train", TrainConfig),
        (
            lambda c: Reference.build(None, "k", config=BuildConfig(fine_tune=c)),
            "fine_tune",
            FineTuneConfig,
        ),
        (
            lambda c: PretrainedEncoder.pretrain(None, "nowhere", config=PretrainConfig(model=c)),
            "model",
            TransformerConfig,
        ),
        (
            lambda c: HashClusterer(config=ClusterConfig(attention=c)),
            "attention",
            AttentionConfig,
        ),
        (lambda c: HashClusterer(config=ClusterConfig(learn=c)), "learn", LearnConfig),
    ],
)
@pytest.mark.parametrize("given", [{"n_steps": 3}, 3, "fast"], ids=repr)
def test_options_within_options(call, name, kind, given):
    with pytest.raises(InputError, match=rf"^`{name}` is .* must be of type {kind.__name__}"):
        call(given)


def test_nothing_is_no_option_within_options():
    with pytest.raises(InputError, match=r"`train` is None \(NoneType\), but must be of type"):
        Reference.build(None, "kind", config=BuildConfig(train=None))
