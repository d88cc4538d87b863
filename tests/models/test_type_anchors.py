"""With a hierarchy anchors follow it, unless asked not to; without one they are as ever."""

from dataclasses import replace

import numpy as np
import pytest

from atlash.codes.anchors import make_anchors
from atlash.codes.hierarchical_anchors import make_hierarchical_anchors
from atlash.config import TrainConfig
from atlash.errors import InputError
from atlash.models.family import Family
from atlash.models.type_anchors import make_type_anchors

FAMILY = Family.of(["a", "a", "b", "b", "c"])
CONFIG = TrainConfig()


@pytest.mark.parametrize(
    ("family", "config"), [(None, CONFIG), (FAMILY, replace(CONFIG, parent_bits=0.0))]
)
def test_plain_anchors_are_those_of_before(family, config):
    found, report = make_type_anchors(5, family, config, random_state=3)
    expected, measured = make_anchors(5, 64, random_state=3)
    np.testing.assert_array_equal(found, expected)
    assert report == measured


def test_a_hierarchy_is_followed():
    config = replace(CONFIG, parent_bits=0.5)
    found, report = make_type_anchors(5, FAMILY, config, random_state=3)
    expected, _ = make_hierarchical_anchors(FAMILY.of_type, 64, share=0.5, random_state=3)
    np.testing.assert_array_equal(found, expected)
    assert report.construction == "hierarchical"


def test_bits_that_do_not_suffice_are_the_users_to_change():
    with pytest.raises(InputError, match="give a multiple of 8 from 16 on"):
        make_type_anchors(5, FAMILY, replace(CONFIG, n_bits=8, parent_bits=0.25), random_state=0)


def test_bits_that_do_not_suffice_without_a_hierarchy():
    with pytest.raises(InputError, match="8 bits hold at most 128 anchors, and there are 130"):
        make_type_anchors(130, None, replace(CONFIG, n_bits=8), random_state=0)
