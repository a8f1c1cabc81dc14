"""A record that states what is false does not hold, wherever in it the falsehood is."""

import copy

import pytest

from umsn.experiments.evaluate import measure
from umsn.experiments.verify import verify
from umsn.files import InputError, read_json, write_json


@pytest.fixture(scope="module")
def record():
    return measure(method="blurred", faces="1", sizes="13,15", kernels=1)


def means_of_99(record):
    for row in record["summary"]["by_method"]:
        row["mean"] = 99.0


def all_measures_null(record):
    for name, column in record["rows"].items():
        if name.startswith(("psnr", "ssim")):
            record["rows"][name] = [None] * len(column)


def columns_deleted(record):
    record["rows"] = {name: column for name, column in record["rows"].items() if not name.startswith("psnr")}


def psnr_of_0_and_50(record):
    record["rows"]["psnr"] = [0.0, 50.0]


def psnr_of_0_and_50_summed_up_again(record):
    from umsn.experiments.evaluate import from_record, to_record

    psnr_of_0_and_50(record)
    record["summary"] = to_record(from_record(record))["summary"]


def no_summary(record):
    del record["summary"]


def a_row_twice(record):
    for name, column in record["rows"].items():
        record["rows"][name] = [*column, column[0]]


def a_row_less(record):
    for column in record["rows"].values():
        column.pop()


@pytest.mark.parametrize(
    ("falsified", "why"),
    [
        (means_of_99, "summary"),
        (all_measures_null, "summary|empty"),
        (columns_deleted, "columns psnr"),
        (psnr_of_0_and_50, "summary"),
        (psnr_of_0_and_50_summed_up_again, "psnr: "),
        (no_summary, "summary"),
        (a_row_twice, "two rows"),
    ],
)
def test_a_falsified_record_does_not_hold(record, tmp_path, falsified, why):
    false = copy.deepcopy(record)
    falsified(false)
    write_json(tmp_path / "r.json", false)
    verdict = verify(tmp_path / "r.json")
    assert not verdict.holds
    assert any(word in verdict.why for word in why.split("|")), verdict.why


def test_the_record_itself_holds_and_one_with_a_row_less_is_refused(record, tmp_path):
    write_json(tmp_path / "r.json", record)
    assert verify(tmp_path / "r.json").holds
    less = copy.deepcopy(record)
    a_row_less(less)
    write_json(tmp_path / "r.json", less)
    with pytest.raises(InputError, match="not in the record"):
        verify(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("kernels", 10**9, r"provenance\.asked\.kernels 1000000000: expected a whole number"),
        ("networks", {}, r"provenance\.asked: 'networks' is not known"),
        ("sizes", [], r"provenance\.asked\.sizes a list of 0"),
        ("noise", True, r"provenance\.asked\.noise True: expected a finite number"),
        ("measure", "astronaut", r"provenance\.asked: 'method' is not known"),
        ("measure", "descriptor", r"provenance\.asked: '.*' is not known"),
    ],
)
def test_what_was_asked_is_checked_before_it_is_asked_again(record, tmp_path, option, value, words):
    changed = copy.deepcopy(record)
    changed["provenance"]["asked"][option] = value
    write_json(tmp_path / "r.json", changed)
    with pytest.raises(InputError, match=words):
        verify(tmp_path / "r.json")


def test_no_record_makes_verify_write_a_file(record, tmp_path):
    """Options that say where something is written are none of a record's."""
    changed = copy.deepcopy(record)
    changed["provenance"]["asked"] = {"measure": "descriptor", "train": str(tmp_path / "written.safetensors")}
    write_json(tmp_path / "r.json", changed)
    with pytest.raises(InputError, match="'train' is not known"):
        verify(tmp_path / "r.json")
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(("method", "off", "why"), [("pan", 1.5, ""), ("pan", 3.0, "pan: psnr"), ("cho", 0.6, "psnr")])
def test_methods_whose_kernels_jump_have_their_own_limits(tmp_path, monkeypatch, method, off, why):
    from umsn.evaluation.methods import UNTRAINED
    from umsn.experiments.evaluate import from_record, to_record

    monkeypatch.setitem(UNTRAINED, method, lambda blurred: blurred)
    record = measure(method=f"blurred,{method}", faces="1", sizes="13,15,17,19", kernels=1)
    rows = record["rows"]
    rows["psnr"] = [value + off * (name == method) for name, value in zip(rows["method"], rows["psnr"], strict=True)]
    record["summary"] = to_record(from_record(record))["summary"]
    write_json(tmp_path / "record.json", record)
    verdict = verify(tmp_path / "record.json")
    assert verdict.holds == (not why)
    assert verdict.why.startswith(why)


@pytest.mark.parametrize(
    ("table", "method", "column", "off", "holds"),
    [
        ("top", "umsn", "mean", 0.5, True),
        ("top", "umsn", "mean", 5.0, False),
        ("top", "pan", "mean", 5.0, True),
        ("top", "pan", "mean", 30.0, False),
        ("distance", "umsn", "mean", 0.005, True),
        ("distance", "umsn", "mean", 0.05, False),
        ("distance", "pan", "low", 0.05, True),
        ("distance", "pan", "low", 0.5, False),
        ("top", "umsn", "rows", 1, False),
    ],
)
def test_a_record_of_recognition_is_held_to_what_its_tables_measure(home, table, method, column, off, holds):
    from umsn.experiments.verify import POINTS, _verify_numbers

    record = read_json(home / "results/measured/recognition-dlib.json")
    other = copy.deepcopy(record)
    next(row for row in other[table] if row["method"] == method)[column] += off
    verdict = _verify_numbers(record, other, POINTS["recognition"])
    assert (verdict.holds, verdict.largest) == (holds, pytest.approx(off))
