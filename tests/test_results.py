"""The page of results: every record is listed with what made it, and can be made again."""

import copy
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

from umsn import cli, evaluation
from umsn.evaluation import Protocol
from umsn.experiments import astronaut, conditions, confidences, readings, recognition
from umsn.experiments.evaluate import to_record
from umsn.experiments.verify import verify
from umsn.faces import CLASSES, FaceSet
from umsn.files import InputError, read_json, write_json
from umsn.networks import archive, weights
from umsn.pages.figures import results, tables
from umsn.recognition import shipped_descriptor


@pytest.fixture(scope="module")
def kept(home):
    """All records of this repository, by name."""
    return {path.stem: read_json(path) for path in sorted((home / "results/measured").glob("*.json"))}


class Ids(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        self.words.append(data)


def test_a_record_is_listed_with_what_it_says(tmp_path):
    photos = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows = evaluation.evaluate({"blurred": lambda y: y}, FaceSet(["a", "b"], photos, None), Protocol((13, 15), 1))
    write_json(tmp_path / "one.json", to_record(rows, seconds=1.5, peak_mib=99.6, weights={"umsn": "abc"}))
    write_json(tmp_path / "two.json", {"anything": 1})
    table = results.records(tmp_path).set_index("record")
    assert table.loc["one", ["seconds", "peak MiB", "seed", "weights"]].tolist() == [1.5, 100, 0, "umsn abc"]
    assert re.fullmatch("[0-9a-f]{12}", table.loc["one", "data"])
    assert table.loc["one", "recipe"] == "2 faces, 2 kernels (13 to 15), noise 0.01"
    assert "torch" in table.loc["one", "versions"]
    assert (table.loc["two"] == "").all()
    assert results.records(tmp_path / "nothing").empty
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json"):
        results.records(tmp_path)


def test_every_record_has_its_row_and_every_link_leads_to_one(home, kept):
    listed = Ids(results.Listing(results.records(home / "results/measured"))._repr_html_())
    assert listed.found == list(kept)
    words = " ".join(listed.words)
    for record in kept.values():
        made = record.get("provenance", record)
        assert made["command"] in words
        assert made["code"]["commit"][:10] in words
    notebooks = "\n".join(path.read_text("utf-8") for path in (home / "notebooks").glob("*.ipynb"))
    linked = set(re.findall(rf"{re.escape(results.PAGE)}#([\w-]+)", notebooks))
    assert linked
    assert linked <= set(kept)


def test_a_table_leads_to_its_records():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    html = tables.plain(frame, caption="Some <numbers>", records=["one", "two"])._repr_html_()
    assert f'Some &lt;numbers&gt;; from <a href="{results.PAGE}#one">one</a>, <a' in html
    assert "from" not in tables.plain(frame, caption="Some numbers")._repr_html_()


def test_every_record_can_be_made_again(home, kept, capsys):
    """By `umsn verify`, or by the words that it says."""
    for name, record in kept.items():
        made = record.get("provenance", record)
        assert ("asked" in made) != ("again" in made), name
        if "asked" in made:
            continue
        assert cli.main(["verify", str(home / f"results/measured/{name}.json")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert made["command"] in line
        assert made["again"] in line


def test_records_of_drawn_faces_hold(home, kept):
    """All that say for themselves what was measured, on their first face."""
    drawn = [n for n, r in kept.items() if str(r.get("provenance", {}).get("asked", {}).get("faces", "")).isdigit()]
    assert drawn
    for name in drawn:
        verdict = verify(home / f"results/measured/{name}.json", limit=1)
        assert verdict.holds, name
        assert verdict.rows >= 8


def test_a_record_of_another_measure_is_verified(tmp_path):
    """The astronaut under kernels from a file: it holds, and another number, another file and none are noticed."""
    kernels, path = tmp_path / "kernels.npz", tmp_path / "astronaut.json"
    np.savez(kernels, one=np.eye(3) / 3, two=np.pad([[1.0]], ((0, 2), (0, 2))))
    record = astronaut.measure(weights.shipped(), kernels=kernels)
    write_json(path, record)
    assert verify(path, kernels=str(kernels))[:4] == (14, 14, 0.0, True)
    record["psnr"][1]["umsn"] += 0.5
    write_json(path, record)
    verdict = verify(path, kernels=str(kernels))
    assert (verdict.equal, verdict.holds) == (13, False)
    assert verdict.largest == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"a file called 'kernels\.npz'"):
        verify(path)
    np.savez(tmp_path / "others.npz", one=np.eye(5) / 5)
    with pytest.raises(InputError, match="other data"):
        verify(path, kernels=str(tmp_path / "others.npz"))
    (tmp_path / "no.npz").write_text("nothing")
    with pytest.raises(InputError, match=r"no\.npz: cannot be read"):
        verify(path, kernels=str(tmp_path / "no.npz"))


def test_conditions_are_held_against_the_plain_one():
    record = conditions.measure(weights.shipped(), people=2)
    gained = {row["method"]: row["mean"] for row in record["gained"]}
    assert list(gained) == list(conditions.CONDITIONS)
    for row in record["lost"]:
        assert row["mean"] == pytest.approx(gained["as drawn"] - gained[row["method"]], abs=2e-4)
        assert row["low"] <= row["mean"] <= row["high"]


@pytest.fixture(scope="module")
def sureness():
    return confidences.measure(weights.shipped(), people=2, sizes=(17, 27))


def test_confidences_are_told_over_training_and_kernels(sureness):
    """Differences are those of the means, and every confidence and its closed form lies in (0, 1]."""
    mean = {(row["method"], row["measure"]): row["mean"] for rows in ("training", "size") for row in sureness[rows]}
    assert [len({row["method"] for row in sureness[name]}) for name in ("training", "size")] == [3, 2]
    assert all(0 < value <= 1 for (_, measure), value in mean.items() if measure != "psnr")
    for row in sureness["grown"]:
        told = mean["step 6500", row["measure"]] - mean["step 195", row["measure"]]
        assert row["mean"] == pytest.approx(told, abs=2e-4)
    for row in sureness["lower"]:
        told = mean["size 17", row["measure"]] - mean["size 27", row["measure"]]
        assert row["mean"] == pytest.approx(told, abs=2e-4)
        assert row["low"] <= row["mean"] <= row["high"]


def test_a_record_of_confidences_is_verified(sureness, tmp_path):
    """It holds, and that other weights made it would be noticed."""
    path = tmp_path / "confidences.json"
    write_json(path, sureness)
    assert verify(path)[:4] == (310, 310, 0.0, True)
    changed = copy.deepcopy(sureness)
    changed["provenance"]["weights"]["S-Net"] = "another"
    write_json(path, changed)
    with pytest.raises(InputError, match="other weights"):
        verify(path)


def test_the_weights_of_the_last_time_are_those_from_which_the_packages_went_on():
    last, shipped = archive.kept(confidences.SNAPSHOTS[-1])[0], weights.shipped()
    for name, tensor in archive.pipeline_of(shipped.facts["start"]).network.state_dict().items():
        assert torch.equal(last[f"network.{name}"], tensor)


def test_other_readings_are_held_against_ours():
    """An image that ends in black loses most; cutting to what an image can be only helps."""
    record = readings.measure(weights.shipped(), people=2, sizes=(17, 25))
    change = {row["method"]: row["mean"] for row in record["changed"]}
    assert change["zeros beyond the border"] < min(change["mirrored at the border"], -1)
    assert change["not cut to [0, 1]"] <= 0
    assert [row["measure"] for row in record["losses"]] == list(CLASSES)
    assert all(row["low"] <= row["mean"] <= row["high"] for rows in ("changed", "losses") for row in record[rows])


def test_recognition_compares_restored_with_blurred_probes():
    record = recognition.measure(weights.shipped(), shipped_descriptor(), people=3, sizes=(19,))
    mean = {(row["method"], row["measure"]): row["mean"] for name in ("top", "distance") for row in record[name]}
    for row in record["gain"]:
        told = mean["umsn", row["measure"]] - mean["blurred", row["measure"]]
        assert row["mean"] == pytest.approx(told, abs=2e-4)
    (nearer,) = record["nearer"]
    assert nearer["mean"] == pytest.approx(mean["blurred", "distance"] - mean["umsn", "distance"], abs=2e-4)
    assert all(0 <= mean[name, "Top-1"] <= mean[name, "Top-5"] <= 100 for name in ("clear", "blurred", "umsn"))


def test_a_centred_kernel_has_its_mass_in_the_middle():
    kernel = np.zeros((5, 5))
    kernel[0, 1], kernel[1, 1] = 0.75, 0.25
    moved = astronaut.centred(kernel)
    places = np.arange(len(moved)) - len(moved) // 2
    assert moved.sum() == pytest.approx(1)
    assert abs((moved.sum(0) * places).sum()) <= 0.5 and abs((moved.sum(1) * places).sum()) <= 0.5
