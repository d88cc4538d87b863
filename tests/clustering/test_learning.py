from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from atlash.clustering.learned import LearnedEmbedding
from atlash.clustering.learning import learn_embedding
from atlash.clustering.networks import LearningCells
from atlash.config import LearnConfig
from atlash.errors import EmptyInputError, InputError, InvalidValuesError, TrainingError

QUICK = LearnConfig(n_steps=40, batch_size=64, n_hidden=16, n_words=8, n_heads=2)
EVERY_PART = [
    QUICK,
    replace(QUICK, heads="none"),
    replace(QUICK, heads="sign", reconstruct="poisson"),
    replace(QUICK, soft=True, reconstruct="nb", genes_a_step=10),
    replace(QUICK, heads="sign", predict_weight=0.0, contrast_weight=1.0, reconstruct="zinb"),
]


def learn(sketch, config=QUICK, seed=0):
    return learn_embedding(sketch, config, random_state=seed, show=False)


def same(first, second):
    one, two = first.arrays(), second.arrays()
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("config", EVERY_PART)
def test_the_seed_decides_everything(sketch, config):
    before = torch.get_num_threads()
    torch.manual_seed(1)
    one = learn(sketch, config)
    try:
        torch.set_num_threads(2)
        torch.manual_seed(2)
        two = learn(sketch, config)
    finally:
        torch.set_num_threads(before)
    assert same(one, two)
    assert not same(one, learn(sketch, config, seed=1))


@pytest.mark.parametrize("config", EVERY_PART)
def test_an_embedding_comes_back_from_its_file(sketch, config):
    learned = learn(sketch, config)
    again = LearnedEmbedding.from_arrays(load(save(dict(learned.arrays()))))
    E = learned.embed(sketch.Z)
    np.testing.assert_array_equal(again.embed(sketch.Z), E)
    np.testing.assert_array_equal(again.codes(E), learned.codes(E))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_rows_do_not_depend_on_chunks(sketch, size):
    learned = learn(sketch)
    E = learned.embed(sketch.Z)
    cuts = range(0, len(E), size)
    parts = np.vstack([learned.embed(sketch.Z[k : k + size]) for k in cuts])
    np.testing.assert_array_equal(parts, E)
    codes = np.vstack([learned.codes(E[k : k + size]) for k in cuts])
    np.testing.assert_array_equal(codes, learned.codes(E))


def test_the_embedding_tells_the_other_half_better_than_the_place_does(sketch):
    learned = learn(sketch, replace(QUICK, heads="none", n_steps=200))
    mean = sketch.Z.mean(axis=0)
    scale = np.sqrt(np.square(sketch.Z - mean).mean())
    wanted, as_it_is = (sketch.Z2 - mean) / scale, (sketch.Z1 - mean) / scale
    learned_gap = np.square(learned.embed(sketch.Z1) - wanted).mean()
    assert learned_gap < 0.8 * np.square(as_it_is - wanted).mean()


@pytest.mark.parametrize("heads", ["sign", "quantised"])
def test_codes_group_types(sketch, types, heads):
    learned = learn(sketch, replace(QUICK, heads=heads, n_steps=150))
    codes = learned.codes(learned.embed(sketch.Z))
    assert codes.shape == (240, 2)
    assert codes.min() >= 0
    for code in codes.T:
        same_code = code[:, None] == code[None]
        same_type = types[:, None] == types[None]
        assert same_code[same_type].mean() > 2 * same_code[~same_type].mean()


def test_without_heads_there_are_no_codes(sketch):
    learned = learn(sketch, replace(QUICK, heads="none"))
    assert learned.codes(learned.embed(sketch.Z)).shape == (240, 0)


def test_reconstruction_brings_in_what_only_counts_know(sketch):
    without = learn(sketch).embed(sketch.Z)
    with_counts = learn(sketch, replace(QUICK, reconstruct="poisson")).embed(sketch.Z)
    assert np.abs(with_counts - without).max() > 1e-3


def test_a_weightless_cell_does_not_teach(sketch):
    weight = sketch.weight.copy()
    weight[:5] = 0
    spoilt = sketch.Z2.copy()
    spoilt[:5] = 1e3
    config = replace(QUICK, heads="none")
    light, other = replace(sketch, weight=weight), replace(sketch, weight=weight, Z2=spoilt)
    assert same(learn(light, config), learn(other, config))
    assert not same(learn(sketch, config), learn(replace(sketch, Z2=spoilt), config))


def test_identical_cells_can_be_learned_from(sketch):
    places = np.ones_like(sketch.Z)
    learned = learn(replace(sketch, Z=places, Z1=places, Z2=places))
    assert np.isfinite(learned.embed(places)).all()


def few(sketch, n):
    places = {k: getattr(sketch, k)[:n] for k in ("Z", "Z1", "Z2", "library", "weight")}
    return LearningCells(**places, counts=sketch.counts[:n])


def test_two_cells_are_enough_and_one_is_not(sketch):
    assert learn(few(sketch, 2)).embed(sketch.Z).shape == (240, 6)
    with pytest.raises(EmptyInputError, match="There are 1 cells"):
        learn(few(sketch, 1))


def test_weights_decide_who_teaches(sketch):
    nobody = np.zeros_like(sketch.weight)
    with pytest.raises(EmptyInputError, match="There are 0 cells"):
        learn(replace(sketch, weight=nobody))
    nobody[[3, 4]] = 2.0
    assert np.isfinite(learn(replace(sketch, weight=nobody)).embed(sketch.Z)).all()


def test_heads_alone_are_refused(sketch):
    with pytest.raises(InputError, match="Heads alone"):
        learn(sketch, replace(QUICK, predict_weight=0.0))


def test_places_that_are_not_finite_are_refused(sketch):
    spoilt = sketch.Z1.copy()
    spoilt[3, 1] = np.nan
    with pytest.raises(InvalidValuesError, match="first row 3 of Z1"):
        learn(replace(sketch, Z1=spoilt))


def test_arrays_that_do_not_belong_together_are_refused(sketch):
    with pytest.raises(InvalidValuesError, match="all must be alike"):
        learn(replace(sketch, Z2=sketch.Z2[:-1]))


def test_a_loss_that_is_not_finite_is_an_error(sketch):
    with pytest.raises(TrainingError, match="at step"):
        learn(replace(sketch, Z2=np.full_like(sketch.Z2, 1e30)))
