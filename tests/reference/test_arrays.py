"""Named arrays as bytes, and the fingerprint of an encoder."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlash.reference.arrays import fingerprint, from_safetensors, to_safetensors

DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]

any_array = hnp.arrays(
    st.sampled_from([np.dtype(kind) for kind in DTYPES]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
named_arrays = st.dictionaries(
    st.text(max_size=5).filter(lambda s: s != "__metadata__"), any_array, max_size=4
)

GENES = pd.DataFrame({"id": ["CD3E", "MS4A1", None], "mean": [0.5, np.nan, 2.0], "n": [1, 2, 3]})
ANCHORS = pd.DataFrame({"label": ["B", "T"], "code": [b"\x01\x02", b"\x03\x04"]})
ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(2)}


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@given(named_arrays)
def test_arrays_come_back(arrays):
    back = from_safetensors(to_safetensors(arrays))
    assert back.keys() == arrays.keys()
    assert all(same(back[name], array) for name, array in arrays.items())
    assert all(array.flags.writeable and array.flags.owndata for array in back.values())


@pytest.mark.parametrize(
    "make",
    [
        np.asfortranarray,
        lambda array: array.T.copy().T,
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        lambda array: np.repeat(array, 2, axis=1)[:, ::2],
        lambda array: array[::-1][::-1],
    ],
    ids=["fortran", "transposed", "big endian", "strided", "reversed"],
)
def test_memory_layout_does_not_matter(make):
    array = ARRAYS["weight"]
    other = make(array)
    np.testing.assert_array_equal(from_safetensors(to_safetensors({"w": other}))["w"], array)
    assert fingerprint({"w": other}, GENES, ANCHORS) == fingerprint({"w": array}, GENES, ANCHORS)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"]),
        np.array([None]),
        np.array([1j]),
        np.zeros(1, "M8[s]"),
        np.zeros(1, "i4,f8"),
    ],
)
def test_other_dtypes_are_refused(array):
    with pytest.raises(TypeError, match="'odd' has dtype"):
        to_safetensors({"odd": array})
    with pytest.raises(TypeError, match="'odd' has dtype"):
        fingerprint({"odd": array}, GENES, ANCHORS)


def test_fingerprint_is_the_same_on_every_machine():
    expected = "636c825aacf5e28590c3990f136458ec98a04ea7254668d13b2ab655a705f49d"
    assert fingerprint(ARRAYS, GENES, ANCHORS) == expected


@given(
    st.permutations(sorted(ARRAYS)), st.permutations(list(GENES)), st.permutations(list(ANCHORS))
)
def test_order_of_names_does_not_matter(names, genes, anchors):
    shuffled = fingerprint({name: ARRAYS[name] for name in names}, GENES[genes], ANCHORS[anchors])
    assert shuffled == fingerprint(ARRAYS, GENES, ANCHORS)


@given(named_arrays, named_arrays)
def test_fingerprints_are_equal_only_for_equal_arrays(one, two):
    equal = one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    assert (fingerprint(one, GENES, ANCHORS) == fingerprint(two, GENES, ANCHORS)) == equal


@given(any_array.filter(lambda array: array.size), st.data())
def test_one_bit_changes_the_fingerprint(array, data):
    content = bytearray(array.tobytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1
    other = np.frombuffer(bytes(content), dtype=array.dtype).reshape(array.shape)
    assert fingerprint({"a": array}, GENES, ANCHORS) != fingerprint({"a": other}, GENES, ANCHORS)


CHANGES = {
    "array renamed": ({"w": ARRAYS["weight"], "bias": ARRAYS["bias"]}, GENES, ANCHORS),
    "array missing": ({"weight": ARRAYS["weight"]}, GENES, ANCHORS),
    "arrays swapped": (dict(zip(ARRAYS, reversed(ARRAYS.values()), strict=True)), GENES, ANCHORS),
    "shape": (ARRAYS | {"weight": ARRAYS["weight"].reshape(3, 2)}, GENES, ANCHORS),
    "dtype": (ARRAYS | {"bias": np.zeros(4, np.float32)}, GENES, ANCHORS),
    "gene order": (ARRAYS, GENES[::-1].reset_index(drop=True), ANCHORS),
    "index": (ARRAYS, GENES.set_index("id"), ANCHORS),
    "rows with their index": (ARRAYS, GENES[::-1], ANCHORS),
    "gene name": (ARRAYS, GENES.assign(id=["CD3D", "MS4A1", None]), ANCHORS),
    "missing or text": (ARRAYS, GENES.assign(id=["CD3E", "MS4A1", "None"]), ANCHORS),
    "number or text": (ARRAYS, GENES.assign(n=["1", "2", "3"]), ANCHORS),
    "column name": (ARRAYS, GENES.rename(columns={"n": "m"}), ANCHORS),
    "tables swapped": (ARRAYS, ANCHORS, GENES),
    "text or bytes": (ARRAYS, GENES, ANCHORS.assign(code=["0102", "0304"])),
    "one gene less": (ARRAYS, GENES[:2], ANCHORS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_changes_the_fingerprint(change):
    assert fingerprint(*CHANGES[change]) != fingerprint(ARRAYS, GENES, ANCHORS)


@pytest.mark.parametrize("dtype", ["string", "category", "string[pyarrow]"])
def test_dtype_of_text_does_not_matter(dtype):
    other = GENES.assign(id=GENES["id"].astype(dtype))
    assert fingerprint(ARRAYS, other, ANCHORS) == fingerprint(ARRAYS, GENES, ANCHORS)


def test_unclear_tables_are_refused():
    with pytest.raises(TypeError, match="'id' holds a list"):
        fingerprint(ARRAYS, GENES.assign(id=[[1], [2], [3]]), ANCHORS)
    with pytest.raises(ValueError, match="same name"):
        fingerprint(ARRAYS, pd.concat([GENES, GENES], axis=1), ANCHORS)
