import pytest

import atlash
from atlash.config import BuildConfig, LossConfig, MiningConfig, TrainConfig
from atlash.config.rare import LOSS_NAMES
from atlash.errors import InputError
from atlash.reference.build_checks import check_build_config


def test_the_defaults_are_in_range():
    check_build_config(BuildConfig())


@pytest.mark.parametrize("n_bits", [8, 16, 64, 120, 256])
def test_multiples_of_eight_bits_are_possible(n_bits):
    check_build_config(BuildConfig(TrainConfig(n_bits=n_bits)))


@pytest.mark.parametrize("n_bits", [-8, 4, 65])
def test_other_lengths_of_the_detail_part_are_an_error(n_bits):
    with pytest.raises(InputError, match=rf"`n_detail_bits` is {n_bits}: .* multiple of 8"):
        check_build_config(BuildConfig(TrainConfig(n_detail_bits=n_bits)))


@pytest.mark.parametrize(("name", "n_bits"), [("n_bits", 264), ("n_detail_bits", 200)])
def test_codes_have_room_for_so_many_bits(name, n_bits):
    with pytest.raises(InputError, match=rf"`{name}` is {n_bits}, .* at most"):
        check_build_config(BuildConfig(TrainConfig(**{name: n_bits})))


@pytest.mark.parametrize("n_bits", [-8, 0, 1, 7, 12, 63, 65])
def test_other_code_lengths_are_an_error(n_bits):
    with pytest.raises(InputError, match=rf"Codes of {n_bits} bits .* multiple of 8, such as 64"):
        check_build_config(BuildConfig(TrainConfig(n_bits=n_bits)))


NUMBERS = [
    "n_features", "n_members", "n_hidden", "n_hidden_2", "n_components", "n_component_members",
    "n_component_hidden", "n_steps", "batch_size", "n_pseudo_batches", "max_cells",
]  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_of_things_are_at_least_one(name, value):
    with pytest.raises(InputError, match=rf"`{name}` is {value}, but must be at least 1"):
        check_build_config(BuildConfig(TrainConfig(**{name: value})))
    check_build_config(BuildConfig(TrainConfig(**{name: 1})))


@pytest.mark.parametrize("name", ["max_epochs", "learning_rate", "mixup", "upper"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_are_finite(name, value):
    with pytest.raises(InputError, match=f"`{name}` is {value}, but must be"):
        check_build_config(BuildConfig(TrainConfig(**{name: value})))


@pytest.mark.parametrize("n_folds", [1, 0, -2])
def test_calibration_needs_two_folds(n_folds):
    with pytest.raises(InputError, match=f"`n_folds` is {n_folds}, but must be at least 2"):
        check_build_config(BuildConfig(TrainConfig(n_folds=n_folds)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("marker_share", (-0.1, 1.1)),
        ("dropout", (-0.1, 1.0)),
        ("class_balance", (-0.1, 1.0)),
        ("thin_probability", (-0.1, 1.1)),
        ("thin_least", (0.0, 1.1)),
        ("gene_dropout", (-0.1, 0.5)),
    ],
)
def test_shares_are_shares(name, values):
    for value in (*values, float("nan")):
        with pytest.raises(InputError, match=rf"`{name}` is {value}, but must be "):
            check_build_config(BuildConfig(TrainConfig(**{name: value})))


@pytest.mark.parametrize("name", ["learning_rate", "component_learning_rate", "upper"])
def test_rates_are_above_zero(name):
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=rf"`{name}` is {value}, but must be above 0"):
            check_build_config(BuildConfig(TrainConfig(**{name: value})))


def test_forms_of_quantisation_have_names():
    with pytest.raises(InputError, match=r"`quantisation` is 'tanh', but must be one of 'none'"):
        check_build_config(BuildConfig(TrainConfig(quantisation="tanh")))


@pytest.mark.parametrize("name", ["gene_jitter", "mixup", "weight_decay", "quantisation_weight"])
def test_strengths_are_not_negative(name):
    with pytest.raises(InputError, match=rf"`{name}` is -1.0, but must be at least 0"):
        check_build_config(BuildConfig(TrainConfig(**{name: -1.0})))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_the_unlabelled_share_is_a_share(share):
    with pytest.raises(InputError, match=r"`max_unlabelled` is .* must be from 0 to 1"):
        check_build_config(BuildConfig(max_unlabelled=share))


@pytest.mark.parametrize("size", [0, -5])
def test_chunks_hold_cells(size):
    with pytest.raises(InputError, match=rf"`chunk_size` is {size}, but must be at least 1"):
        check_build_config(BuildConfig(chunk_size=size))


def test_options_are_checked_before_any_cell_is_read():
    with pytest.raises(InputError, match="n_steps"):
        atlash.Reference.build(
            "no/such/file.h5ad", "x", config=BuildConfig(TrainConfig(n_steps=0))
        )


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_use_of_unlabelled_cells_is_yes_or_no(value):
    with pytest.raises(InputError, match=r"`use_unlabelled` is .*must be True or False"):
        check_build_config(BuildConfig(use_unlabelled=value))


@pytest.mark.parametrize("loss", [*LOSS_NAMES, LossConfig(sigma=0.3, clip=1.0, scale=20.0)])
def test_losses_go_by_name_or_by_numbers(loss):
    check_build_config(BuildConfig(TrainConfig(loss=loss)))


@pytest.mark.parametrize("loss", ["gauss", "", None, 3, "GINF"])
def test_unknown_losses_are_an_error(loss):
    with pytest.raises(InputError, match=r"`loss` is .*'ginf'.* or a LossConfig"):
        check_build_config(BuildConfig(TrainConfig(loss=loss)))


def test_a_misspelt_loss_is_answered_with_a_suggestion():
    with pytest.raises(InputError, match="Did you mean 'ginf'"):
        check_build_config(BuildConfig(TrainConfig(loss="ginff")))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("mean", (float("nan"), float("inf"))),
        ("sigma", (-0.1, float("nan"), float("inf"))),
        ("prior_strength", (-1.0, float("nan"))),
        ("class_balance", (-0.1, 1.0, "high")),
        ("margin", (-0.1, float("nan"))),
        ("focus", (-1.0, float("inf"))),
        ("clip", (0.0, -1.0, float("nan"))),
        ("scale", (0.0, -30.0, float("inf"), "thirty")),
        ("epsilon", (0.0, -1e-6, None)),
        ("weights", ("all", None)),
        ("signed", ("no", 0)),
        ("normalised", ("yes", None)),
    ],
)
def test_numbers_of_the_loss_are_in_range(name, values):
    for value in values:
        with pytest.raises(InputError, match=rf"`loss\.{name}` is {value!r}, but must be "):
            check_build_config(BuildConfig(TrainConfig(loss=LossConfig(**{name: value}))))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hard_share", (0.0, -0.1, 1.1, float("nan"))),
        ("mixed_share", (0.0, 1.0, float("nan"))),
        ("steps_share", (-0.1, 1.5, float("nan"))),
        ("rate_factor", (0.0, 2.0)),
        ("own_probability", (-0.1, 1.1, float("nan"))),
        ("own_agreement", (-0.1, 1.1)),
        ("most_dropped", (-0.1, 1.0)),
        ("n_neighbors", (0, -1, 2.5, float("inf"), float("nan"), "many")),
        ("guard", ("no", 1, None)),
    ],
)
def test_numbers_of_mining_are_in_range(name, values):
    for value in values:
        with pytest.raises(InputError, match=rf"`mining\.{name}` is {value!r}, but must be "):
            check_build_config(BuildConfig(TrainConfig(mining=MiningConfig(**{name: value}))))


@pytest.mark.parametrize("mining", [True, "yes", {"guard": True}])
def test_mining_is_asked_for_with_its_options(mining):
    with pytest.raises(InputError, match="must be a MiningConfig, or None"):
        check_build_config(BuildConfig(TrainConfig(mining=mining)))


@pytest.mark.parametrize("name", ["parent_bits", "parent_weight"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_options_of_parents_are_in_range(name, value):
    with pytest.raises(InputError, match=f"`{name}` is {value}, but must be"):
        check_build_config(BuildConfig(TrainConfig(**{name: value})))
