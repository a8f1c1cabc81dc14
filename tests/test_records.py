"""A record says what made it, and nothing about whose machine that was."""

import getpass
import json
import re
import socket
import subprocess
import time

import numpy as np

from umsn import records


def test_provenance_holds_what_a_reader_needs():
    record = records.provenance(seed=7)
    assert list(record) == ["command", "date", "code", "platform", "versions", "seed"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
    assert record["platform"]["cores"] >= 1
    assert record["platform"]["cpu"]
    assert record["versions"]["numpy"] == np.__version__
    assert json.loads(json.dumps(record)) == record


def test_provenance_names_the_checkouts_commit():
    code = records.provenance()["code"]
    here = records._PACKAGE.parent
    ran = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True)
    if ran.returncode == 0 and (here / ".git").exists():
        assert code["commit"] == ran.stdout.strip()
        assert isinstance(code["edited"], bool)
    else:
        assert code == {"version": records.provenance()["versions"]["umsn"]}


def test_without_a_checkout_the_version_stands_in(monkeypatch):
    monkeypatch.setattr(records, "_git", lambda *arguments: None)
    assert records._code() == {"version": records._versions()["umsn"]}


def test_somebody_elses_checkout_is_not_ours(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "_git", lambda *arguments: str(tmp_path))
    assert list(records._code()) == ["version"]


def test_no_folder_user_or_host_is_told(monkeypatch, tmp_path):
    file = str(tmp_path / "faces.json")
    monkeypatch.setattr(records.sys, "argv", [str(tmp_path / "umsn" / "__main__.py"), "evaluate", "--json", file])
    text = json.dumps(records.provenance())
    assert str(tmp_path) not in text
    assert str(records._PACKAGE) not in text
    # A name that is also a word of the record (a container's "root", a host "x86") would say nothing here.
    for secret in (getpass.getuser(), socket.gethostname()):
        if len(secret) > 5:
            assert secret not in text


def test_commands_lose_folders_only():
    told = records.command(
        ["/a/b/umsn", "evaluate", "--faces=/x/y/val/", "--json", "results/measured/one.json", "13:27:2"]
    )
    assert told == "umsn evaluate --faces=val --json results/measured/one.json 13:27:2"
    assert records.command(["/a/umsn/__main__.py", "../up/data", "~/home.json", r"C:\Users\me\p.png"]) == (
        "-m umsn data home.json p.png"
    )
    assert records.command(["umsn", "--noise=0.01", "k=v=w", "-"]) == "umsn --noise=0.01 k=v=w -"


def test_timer_measures_a_block():
    with records.Timer() as timer:
        time.sleep(0.05)
    assert 0.05 <= timer.seconds < 5
    assert timer.peak_mib is None or timer.peak_mib > 20


def test_timer_stops_on_an_error():
    try:
        with records.Timer() as timer:
            raise KeyError
    except KeyError:
        pass
    assert timer.seconds >= 0
