"""Claims: each grade is reached by made-up records, and what is judged is what the records and the paper say."""

import copy

import numpy as np
import pandas as pd
import pytest

from umsn.evaluation.methods import TITLES
from umsn.experiments import claims
from umsn.experiments.claims import Effect, Less, evidence, judge, parts, people, restoring
from umsn.experiments.evaluate import from_record, to_record
from umsn.faces import CLASSES
from umsn.files import read_json, write_json
from umsn.pages.figures.claims import Claims, in_words, less_in_words, rests_in_words

ABOVE, OPEN, BELOW = (1.0, 0.5, 1.5), (0.1, -0.1, 0.3), (-1.0, -1.5, -0.5)
NAN = (1.0, float("nan"), float("nan"))


@pytest.fixture(scope="module")
def kept(home):
    """All records of this repository, by name."""
    return {path.stem: read_json(path) for path in sorted((home / "results/measured").glob("*.json"))}


def effects(*bounds, paper=()):
    return [Effect(f"e{i}", *some, paper=paper) for i, some in enumerate(bounds)]


@pytest.mark.parametrize(
    ("bounds", "less", "paper", "state"),
    [
        ([ABOVE], [], (), "reproduced"),
        ([ABOVE, ABOVE], [], (1.2, 1.4), "reproduced"),
        ([ABOVE], [], (2.0, 1.6), "partly"),  # smaller than the paper's
        ([ABOVE], [Less("rivals", (2, 10))], (), "partly"),
        ([ABOVE, OPEN], [], (), "partly"),
        ([ABOVE, BELOW], [], (), "partly"),
        ([OPEN], [], (), "inconclusive"),
        ([OPEN, OPEN], [Less("rivals", (2, 10))], (2.0,), "inconclusive"),
        ([NAN], [], (), "inconclusive"),
        ([BELOW], [], (), "contradicted"),
        ([BELOW, OPEN], [Less("rivals", (2, 10))], (), "contradicted"),
        ([], [], (), "not yet"),
    ],
)
def test_one_rule_judges(bounds, less, paper, state):
    found = judge(effects(*bounds, paper=paper), ["record"], less=less)
    assert found.state == state
    assert set(less) <= set(found.less)
    assert found.records == ("record",)


def test_what_is_less_is_found():
    found = judge(effects(ABOVE, OPEN, paper=(2.0,)), [], rests={"synthetic": True})
    assert found.less == (Less("synthetic"), Less("smaller", ("e0", "e1")), Less("some", (1, 2)))
    assert judge(effects(ABOVE, paper=(2.0, 1.4)), []).less == ()  # it reaches one of the paper's two


def made_up(folder, gained, rivals=("krishnan",), faces=30, sizes=(13, 17, 21, 25), name=restoring.CENTRED, **extra):
    """Records of UMSN, the blurred images and rivals on the same images: UMSN gains so much, rivals nothing."""
    random = np.random.default_rng(0)
    keys = pd.DataFrame(
        [(f"f{i}", size, 1) for i in range(faces) for size in sizes], columns=["face", "size", "kernel"]
    )
    base = {m: random.normal(22, 1, len(keys)) for m in ("psnr", "ssim_volumetric", *(f"psnr_{c}" for c in CLASSES))}
    noise = random.normal(0, 0.1, len(keys))
    for record, methods in zip(name, (rivals, ("blurred", "umsn")), strict=True):
        rows = [
            keys.assign(method=m, **{k: v + (gained + noise) * (m == "umsn") for k, v in base.items()}) for m in methods
        ]
        rows = pd.concat(rows, ignore_index=True)
        rows.attrs["protocol"] = {"faces": faces, "kernels": len(sizes)}
        write_json(folder / f"{record}.json", to_record(rows, source="a folder (labelmap)", **extra))


@pytest.mark.parametrize(
    ("gained", "state"), [(9.0, "partly"), (0.5, "partly"), (0.0, "inconclusive"), (-0.5, "contradicted")]
)
def test_rivals_are_those_of_the_paper(gained, state, tmp_path):
    """However much UMSN gains over one of ten, nine are missing; and a gain of half a decibel is smaller."""
    assert restoring.rivals(tmp_path).state == "not yet"
    made_up(tmp_path, gained)
    found = restoring.rivals(tmp_path)
    assert (found.state, found.records) == (state, restoring.CENTRED)
    assert Less("rivals", (1, 10)) in found.less
    assert ("smaller" in dict(found.less)) == (gained < 8)
    psnr = found.effects[0]
    assert psnr.mean == pytest.approx(gained, abs=0.05)
    assert (psnr.resampled, psnr.paper) == ("faces and kernels", (8.45, 8.24))
    assert found.rests["rivals"] == {TITLES["krishnan"]: (pytest.approx(0, abs=1e-5), 30)}


def test_all_rivals_and_as_much_is_reproduced(tmp_path, monkeypatch):
    monkeypatch.setattr(restoring, "TITLES", {"umsn": "UMSN"} | {n: n for n in evidence.reported("table3").method})
    theirs = [name for name in evidence.reported("table3")["method"].unique() if name != "UMSN"]
    made_up(tmp_path, 20.0, theirs)
    found = restoring.rivals(tmp_path)
    assert (found.state, found.less, len(found.effects)) == ("reproduced", (), 20)


def test_rivals_that_do_not_run_are_waited_for(tmp_path):
    made_up(tmp_path, 5.0)
    assert restoring.classes(tmp_path).state == restoring.pubfig(tmp_path).state == "not yet"
    made_up(tmp_path, 5.0, rivals=("shen",))
    found = restoring.classes(tmp_path)
    assert (found.state, [effect.name for effect in found.effects]) == ("reproduced", list(CLASSES))
    assert found.effects[0].paper == pytest.approx((1.41, 1.7))


def test_nearer_follows_its_record(kept, tmp_path):
    """Were the restored images of the record blurred ones, nothing would be gained, and nothing lost."""
    name = "evaluate-protocol-real"
    assert restoring.nearer(tmp_path).state == "not yet"
    few = from_record(kept[name]).query("kernel <= 2")
    few.attrs = {k: v for k, v in kept[name]["provenance"].items() if k in ("source", "protocol")}
    for rows, state in ((few, "reproduced"), (few.query("method == 'blurred'"), "inconclusive")):
        rows = pd.concat([rows, rows.assign(method="umsn")]).drop_duplicates(["method", "face", "size", "kernel"])
        rows.attrs = few.attrs
        write_json(tmp_path / f"{name}.json", to_record(rows))
        found = restoring.nearer(tmp_path)
        assert (found.state, found.less, len(found.effects)) == (state, (), 1 + len(CLASSES))


@pytest.mark.parametrize(("decide", "table"), [(parts.confidence_grows, "grown"), (parts.confidence_falls, "lower")])
def test_confidences_follow_their_record(decide, table, kept, tmp_path):
    assert decide(tmp_path).state == "not yet"
    record = kept["confidences"]
    for mean, state in ((0.2, "partly"), (0.05, "inconclusive"), (-0.2, "contradicted")):
        rows = [row | {"mean": mean, "low": mean - 0.1, "high": mean + 0.1} for row in record[table]]
        write_json(tmp_path / "confidences.json", record | {table: rows})
        found = decide(tmp_path)
        assert (found.state, found.records) == (state, ("confidences",))
        assert Less("synthetic") in found.less
        assert found.rests["images"] == 6500 * 16
        assert all(len(effect.paper) == 2 for effect in found.effects)


def test_parts_lag_where_the_others_are_surer(kept, tmp_path):
    record = copy.deepcopy(kept["confidences"])
    write_json(tmp_path / "confidences.json", record)
    ours = parts.parts_lag(tmp_path)
    for row in record["training"]:
        if row["measure"] == "C_parts":
            row |= {"mean": 0.1, "low": 0.09, "high": 0.11}
    write_json(tmp_path / "confidences.json", record)
    found = parts.parts_lag(tmp_path)
    assert found.effects[0].paper == pytest.approx((-0.113, -0.089))  # the paper's own numbers
    assert found.effects[0].mean > ours.effects[0].mean
    assert found.state == "partly"


def test_seeds_follow_their_record(kept, tmp_path):
    record, (over, before) = copy.deepcopy(kept["seeds"]), ("over B-Net, dB", "over the row before, dB")
    assert parts.each_part(tmp_path).state == parts.over_seeds(tmp_path).state == "not yet"
    for unclear, state in ((0, "partly"), (1, "partly"), (4, "inconclusive")):
        for i, row in enumerate(record[before]):
            row |= {"low": -0.2, "mean": -0.1, "high": 0.1} if i < unclear else {"low": 0.1, "mean": 0.2, "high": 0.3}
        write_json(tmp_path / "seeds.json", record)
        found = parts.each_part(tmp_path)
        assert (found.state, found.records) == (state, ("seeds",))
        assert {effect.resampled for effect in found.effects} == {"seeds, t"}
    for low, high, state in ((2.0, 3.0, "partly"), (-0.1, 0.3, "inconclusive"), (-0.4, -0.1, "contradicted")):
        record[over][-1] |= {"low": low, "mean": (low + high) / 2, "high": high}
        write_json(tmp_path / "seeds.json", record)
        assert parts.over_seeds(tmp_path).state == state


def test_one_training_is_not_less_than_the_papers(kept, tmp_path):
    """What the paper does likewise never makes a claim hold in part only."""
    names = ("evaluate-umsn-real", "evaluate-long-bnet-real")
    assert parts.equal_size(tmp_path).state == "not yet"
    made_up(tmp_path, 3.0, rivals=("bnet",), name=names[::-1])
    found = parts.equal_size(tmp_path)
    assert (found.state, found.less, found.rests["seeds"]) == ("reproduced", (), 1)
    for name in names:
        write_json(tmp_path / f"{name}.json", kept[name])
    found = parts.equal_size(tmp_path)
    assert (found.state, found.less) == ("partly", (Less("smaller", ("PSNR over B-Net",)),))
    assert 0 < found.effects[0].low and found.effects[0].high < min(found.effects[0].paper)
    assert (found.effects[0].resampled, found.effects[0].paper) == ("faces and kernels", (2.63, 2.24))


def test_masks_are_compared_with_the_paper(kept, tmp_path):
    assert parts.fine_tuning(tmp_path).state == "not yet"
    write_json(tmp_path / "masks-real.json", kept["masks-real"])
    tuned, hurt = parts.fine_tuning(tmp_path), parts.blur_hurts(tmp_path)
    assert [effect.paper for effect in tuned.effects] == [(0.012,), (0.007,), (0.039,), (0.028,)]
    assert [effect.paper for effect in hurt.effects] == [(0.021,), (0.026,), (0.081,), (0.087,)]
    record = copy.deepcopy(kept["masks-real"])
    names = {"S-Net of the package": "before fine-tuning", "before fine-tuning": "S-Net of the package"}
    for row in record["f_scores"]:
        row["method"] = names.get(row["method"], row["method"])
    write_json(tmp_path / "masks-real.json", record)
    assert parts.fine_tuning(tmp_path).state == "contradicted"


def test_recognition_waits_for_rivals(kept, tmp_path):
    """With one rival in the record both claims are judged against it; nearer is less."""
    assert people.recognised(tmp_path).state == people.nearer_features(tmp_path).state == "not yet"
    record = copy.deepcopy(kept["recognition"])
    write_json(tmp_path / "recognition.json", record)
    assert people.recognised_over_rivals(tmp_path).state == people.nearer_features(tmp_path).state == "not yet"
    gained = people.recognised(tmp_path)
    assert [effect.paper for effect in gained.effects] == [(33.0,), (29.0,), (30.0,)]
    record["top"] += [row | {"method": "xu", "mean": 50, "low": 45, "high": 55} for row in record["top"][3:6]]
    record["distance"].append(record["distance"][0] | {"method": "xu"})
    write_json(tmp_path / "recognition.json", record)
    top, near = people.recognised_over_rivals(tmp_path), people.nearer_features(tmp_path)
    assert (top.state, near.state) == ("partly", "partly")
    assert top.effects[0].paper == (21.0,)
    far = {row["method"]: row["mean"] for row in record["distance"]}
    assert near.effects[0].mean == pytest.approx(far["xu"] - far["umsn"])
    assert Less("rivals", (1, 6)) in top.less and Less("stand-in", ("VGG-Face",)) in near.less


def test_conditions_follow_their_record(kept, tmp_path):
    record = copy.deepcopy(kept["conditions"])
    for low, state in ((0.1, "partly"), (-0.1, "inconclusive"), (-0.4, "contradicted")):
        record["lost"] = [row | {"low": low, "mean": low + 0.1, "high": low + 0.2} for row in record["lost"]]
        write_json(tmp_path / "conditions.json", record)
        assert restoring.conditions(tmp_path).state == state


def test_parameters_are_counted(tmp_path, monkeypatch):
    found = parts.parameters(tmp_path)
    assert (found.state, found.records) == ("reproduced", ())
    monkeypatch.setattr(parts, "SAME", 0.01)
    assert parts.parameters(tmp_path).state == "contradicted"


def test_every_claim_is_listed_with_what_it_rests_on(home, kept, tmp_path):
    table = claims.judged(home / "results/measured")
    assert set(table["state"]) <= set(claims.STATES)
    assert {name for names in table["records"] for name in names} <= set(kept)
    wheres = ", ".join(table["where"]) + ","
    for place in (*(f"Table {n}" for n in ("I,", "II,", "III", "IV", "V", "VI", "VII", "VIII")), "abstract", "Fig. 8",
                  "Fig. 9", "Fig. 10", "Fig. 12", "Fig. 13", "Fig. 14", "Fig. 17, 18", "Sec. IV-C"):  # fmt: skip
        assert place in wheres, place
    assert all((home / f"notebooks/{chapter}.ipynb").exists() for chapter in table["chapter"])
    nothing = claims.judged(tmp_path)
    decided = nothing[nothing["state"] != "not yet"]
    assert list(decided["where"]) == ["Sec. IV-C"]  # by counting
    assert all(claim.needs for claim in claims.CLAIMS if claim.decide is not parts.parameters)
    shown = Claims(table)._repr_html_()
    assert shown.count("<tr>") == len(table) + 1
    assert shown.count("Would decide it") == (table["state"] == "not yet").sum()


def test_numbers_are_told_in_words():
    some = Effect("PSNR over B-Net", 0.0734, -0.0578, 0.1735, "dB", "faces and kernels", (2.63, 2.24))
    assert in_words(some) == "PSNR over B-Net: here +0.07 dB (−0.06 to +0.17); paper +2.63 and +2.24"
    assert in_words(Effect("apart", 0.25, 0.25, 0.25, "%", "")) == "apart: here 0.25%"
    assert less_in_words([Less("smaller", ("a",)), Less("rivals", (2, 10))], [some, some]) == (
        "smaller: a; 2 of the paper's 10 rivals, in our own code"
    )
    rests = {"faces": 100, "kernels": 8, "synthetic": False, "seeds": 1, "images": 104000, "share": 0.065}
    assert rests_in_words(rests, [some]) == (
        "100 real images; 8 kernels; 104,000 images seen, 6.5% of the paper's; 1 seed; intervals over faces and kernels"
    )
