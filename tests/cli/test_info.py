"""``atlash info``: what a reference holds, or what is wrong with it."""

import shutil

from atlash.reference import Reference


def test_json_is_what_python_says(atlash, files):
    found = atlash("info", files / "small.atlash", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.json == Reference.load(files / "small.atlash").info()


def test_a_table_for_people(atlash, files):
    found = atlash("info", files / "small.atlash")
    assert found.code == 0
    for text in ("small.atlash", "360", "64 bits", "GENE1", "NK cell", "seed 0"):
        assert text in found.out


def test_a_damaged_reference_is_1_and_names_the_file(atlash, files, tmp_path):
    place = shutil.copytree(files / "small.atlash", tmp_path / "r.atlash")
    (encoder,) = place.glob("encoder*")
    encoder.write_bytes(encoder.read_bytes()[:-1])
    found = atlash("info", place, "--no-verify")
    assert found.code == 1
    assert found.out == ""
    assert encoder.name in "".join(found.err.split())


def test_no_reference_at_all(atlash, tmp_path):
    found = atlash("info", tmp_path / "none.atlash")
    assert found.code == 1
    assert found.told.startswith("Error: ")
    assert "Traceback" not in found.err
