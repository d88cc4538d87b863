"""Files of words: what comes back is what was put, or nothing."""

import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlash.reference.word_files import mapped_words, name_of, put_words

WORDS = np.arange(2, 14, dtype=np.uint64).reshape(3, 4)


@pytest.fixture
def file(tmp_path):
    name = name_of("a.b", WORDS, "words")
    put_words(tmp_path / "cache", name, WORDS)
    return tmp_path / "cache" / name


def test_words_come_back_mapped_and_are_not_to_be_written(file):
    words = mapped_words(file, (3, 4))
    np.testing.assert_array_equal(words, WORDS)
    assert not words.flags.writeable
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@given(place=st.integers(0, WORDS.nbytes - 1), bit=st.integers(0, 7))
def test_any_bit_counts(tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("words") / name_of("a", WORDS, "words")
    content = bytearray(WORDS.tobytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)
    assert mapped_words(path, WORDS.shape) is None


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (0,), (13,)])
def test_another_shape_is_another_file(file, shape):
    assert mapped_words(file, shape) is None


def test_what_is_not_there(tmp_path):
    assert mapped_words(tmp_path / "a.00000000.words", (3, 4)) is None


def test_a_full_disk_leaves_nothing(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            put_words(tmp_path / "cache", name_of("a", WORDS, "words"), WORDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "cache").iterdir()) == []
