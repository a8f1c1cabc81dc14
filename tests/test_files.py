import pytest

from umsn.files import InputError, read_json, whole, write_json


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), whole(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_makes_its_folders_and_keeps_the_suffix(tmp_path):
    with whole(tmp_path / "new" / "a.png") as beside:
        assert beside.suffix == ".png"
        beside.write_bytes(b"x")
    assert (tmp_path / "new" / "a.png").read_bytes() == b"x"


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"σ": [0.01, None]})
    assert read_json(tmp_path / "a.json") == {"σ": [0.01, None]}


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_bad_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json.*not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "b.json")
