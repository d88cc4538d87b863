"""Names of columns and layers that are no text: an error of atlash's own, not of Python's."""

from dataclasses import replace

import pytest

from atlash import AnnotateConfig, BuildConfig, ClusterConfig, HashClusterer, Reference, tl
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


@pytest.mark.parametrize("given", [["donor"], {}, {"donor"}], ids=repr)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda a, _, x: Reference.build(a, "cell_type", x), "batch_key"),
        (lambda a, _, x: Reference.build(a, "cell_type", layer=x), "layer"),
        (lambda a, _, x: Reference.build(a, "cell_type", gene_column=x), "gene_column"),
        (lambda a, r, x: r.add(a, x), "labels_key"),
        (lambda a, r, x: r.add(a, layer=x), "layer"),
        (lambda a, r, x: r.add(a, gene_column=x), "gene_column"),
        (lambda a, r, x: r.register_type("new", a, layer=x), "layer"),
        (lambda a, r, x: r.register_type("new", a, gene_column=x), "gene_column"),
        (lambda a, _, x: HashClusterer().fit(a, batch_key=x), "batch_key"),
        (lambda _, __, x: HashClusterer(config=ClusterConfig(layer=x)), "layer"),
        (lambda _, __, x: HashClusterer(config=ClusterConfig(gene_column=x)), "gene_column"),
    ],
)
def test_several_names_where_one_is_needed(atlas, reference, call, name, given):
    with pytest.raises(InputError, match=f"^`{name}` is .* must be one name, for example"):
        call(atlas, reference, given)


@pytest.mark.parametrize("given", [None, 3, b"a", ["a"], "a\0b"], ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda _, path: Reference.load(path),
        lambda reference, path: replace(reference).save(path),
        lambda _, path: HashClusterer.load(path),
    ],
)
def test_a_place_that_is_no_path(reference, call, given):
    with pytest.raises(InputError, match=r"^`path` is .* but must be a path"):
        call(reference, given)


def test_an_encoder_that_is_no_path(atlas):
    with pytest.raises(InputError, match=r"^`encoder` is 3 \(int\), but must be a path"):
        Reference.build(atlas, "cell_type", config=BuildConfig(encoder=3))


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, 2**63, 2**70])
def test_seeds(atlas, seed):
    with pytest.raises(InputError, match=r"^`random_state` is .* must be a whole number from 0"):
        Reference.build(atlas, "cell_type", random_state=seed)


@pytest.mark.parametrize("parents", [3, [3], [["L"]], [None]], ids=repr)
def test_parents_that_are_no_names(atlas, tiny, parents):
    hierarchy = {"B cell": "L", "T cell": "L", "NK cell": "M"}
    config = replace(tiny, hierarchy=hierarchy, parents=parents)
    with pytest.raises(InputError, match=r"^`parents` is .*; give a list of names, such as"):
        Reference.build(atlas, "cell_type", config=config)


def test_threads_that_are_no_number(atlas, reference):
    with pytest.raises(
        InputError, match=r"^`n_threads` is '2', but must be a whole number, at least 1, or"
    ):
        reference.add(atlas, n_threads="2")
