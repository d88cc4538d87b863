"""Names of columns and layers that are no text: an error of atlash's own, not of Python's."""

import pytest

from atlash import AnnotateConfig, Reference, tl
from atlash.errors import InputError

QUIET = AnnotateConfig(progress=False)


@pytest.mark.parametrize("exclude", [3, 0, 1.5, True, b"d", ["donor"], ("donor",), {}], ids=repr)
def test_a_column_to_exclude_that_is_no_name(exclude):
    with pytest.raises(InputError, match=r"^`exclude` is .* must be the name of one column"):
        tl.search(None, None, exclude=exclude)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda a, r: tl.annotate(a, r, layer=3, config=QUIET), "has no 3; it has"),
        (lambda a, r: tl.annotate(a, r, gene_column=3, config=QUIET), "has no column 3"),
        (lambda a, r: tl.annotate(a, r, config=AnnotateConfig(vote=3)), "names the column 3"),
        (lambda a, r: tl.evaluate(a, r, labels_key=3), "`labels_key` is 3; give the column"),
        (lambda a, r: Reference.build(a, 3), "`labels_key` is 3; give the column"),
        (lambda a, r: Reference.build(a, "cell_type", 3), "no column 3"),
        (lambda a, r: tl.count_within(a, r, 5, by=3), "no column 3"),
        (lambda a, r: tl.search(a, r, where=3), "it is no text"),
    ],
)
def test_a_name_that_is_a_number(atlas, reference, call, told):
    with pytest.raises(InputError, match=told):
        call(atlas, reference)
