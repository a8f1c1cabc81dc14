import json
import os
import subprocess

import hostile
import pytest

from umsn import files
from umsn.files import InputError, read_json, whole, write_json

posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs, devices and links are POSIX's")


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


def test_no_error_has_more_than_one_line_or_what_a_terminal_obeys():
    error = str(InputError("a\nb\x1b[31m\udce9\u202e: no such file"))
    assert error == r"a\nb\x1b[31m\udce9\u202e: no such file"
    error.encode("utf-8")


@posix
@pytest.mark.parametrize("kind", ["fifo", "folder", "endless", "loop", "missing", "empty", "sparse"])
def test_only_regular_files_that_fit_into_memory_are_read(tmp_path, kind):
    hostile.at(tmp_path / "a", kind)
    with pytest.raises(InputError, match=r"/a: .*; text was expected"):
        files.read_bytes(tmp_path / "a", "text was expected")


@pytest.mark.parametrize(
    "text", ["[" * 9999, "9" * 5000, "1e999", "NaN", '{"a": 1, "a": 2}', str(2**63), '{"a":' * 50 + "1" + "}" * 50]
)
def test_json_that_no_record_has_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="not JSON"):
        read_json(tmp_path / "a.json")


@posix
def test_a_fifo_is_written_through(tmp_path):
    os.mkfifo(tmp_path / "a")
    reader = subprocess.Popen(["cat", tmp_path / "a"], stdout=subprocess.PIPE)
    write_json(tmp_path / "a", {"b": 1})
    assert json.loads(reader.communicate(timeout=20)[0]) == {"b": 1}
    assert (tmp_path / "a").is_fifo()


@posix
def test_a_fifo_without_a_reader_does_not_hang(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    os.mkfifo(tmp_path / "a")
    with pytest.raises(InputError, match="a reader was expected"):
        write_json(tmp_path / "a", {})


@posix
def test_a_device_and_a_link_stay_what_they_are(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "real.json").touch()
    (tmp_path / "link.json").symlink_to("real.json")
    for name in ("null", "link.json"):
        write_json(tmp_path / name, [1])
        assert (tmp_path / name).is_symlink()
    assert read_json(tmp_path / "real.json") == [1]


@posix
def test_what_dead_processes_left_is_removed_and_what_living_ones_write_stays(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [tmp_path / f".umsn-{files._host()}-{number}-0.json" for number in (dead.pid, os.getppid())]
    other = tmp_path / ".umsn-00000000-1-0.json"
    for path in (*left, other):
        path.touch()
    write_json(tmp_path / "a.json", {})
    assert [path.exists() for path in (*left, other)] == [False, True, True]


@pytest.mark.parametrize("name", ["", ".", "a/file/r.json", "x" * 300, "a"])
def test_a_place_that_cannot_be_written_is_said_before_anything_is_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    with pytest.raises(InputError):
        files.check_place(name)
    files.check_place("new/folder/r.json")
    files.check_folder("new/folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "file"]


def test_only_what_is_ours_may_be_replaced(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty.json").touch()
    write_json(tmp_path / "r.json", {"provenance": {}})
    with pytest.raises(InputError, match=r"photo\.jpg: is there already"):
        files.check_place(tmp_path / "photo.jpg", ours=files.is_record)
    files.check_place(tmp_path / "empty.json", ours=files.is_record)
    files.check_place(tmp_path / "r.json", ours=files.is_record)
