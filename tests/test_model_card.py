import json
import re
import runpy
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from types import ModuleType

import pytest

from umsn.faces import CLASSES
from umsn.files import read_json
from umsn.networks import archive
from umsn.networks.weights import load, shipped
from umsn.recipes import recipe


def test_the_card_says_what_the_records_say(home):
    card = (home / "umsn/pretrained/MODEL_CARD.md").read_text(encoding="utf-8")
    maker = runpy.run_path(str(home / "book/model_card.py"))
    assert maker["scores"]() in card


def test_the_weights_are_of_the_size_that_the_card_says(home):
    tensors, facts = load(home / "umsn/pretrained/umsn.safetensors")
    sizes = {
        part: sum(t.numel() for n, t in tensors.items() if n.startswith(part)) / 1e6 for part in ("snet.", "network.")
    }
    card = (home / "umsn/pretrained/MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{sizes['snet.']:.2f} M + {sizes['network.']:.2f} M" in card
    assert f"width {facts['width']}, expansion {facts['expansion']:g}" in card


@pytest.fixture(scope="module")
def first(history):
    """What the weights say of themselves from which the package's went on."""
    start = shipped().facts["start"]
    (name,) = (name for name, entry in archive.entries().items() if entry["digest"] == start)
    return archive.kept(name)[1]


def test_the_first_part_was_trained_under_the_recipe_of_that_name(first):
    trained = first["recipe"]
    assert json.loads(json.dumps(asdict(recipe(trained["name"])))) == trained


def test_the_records_were_made_with_these_weights(home):
    """Every score of the card names the very file that is in the package."""
    maker = runpy.run_path(str(home / "book/model_card.py"))
    for name in maker["SETS"]:
        provenance = read_json(maker["MEASURED"] / f"evaluate-umsn-{name}.json")["provenance"]
        assert provenance["weights"] == {"umsn": shipped().digest}, name


@pytest.fixture(scope="module")
def history(home):
    """What `git` says in this repository: (order, ..) -> text, or None where the order fails."""

    def git(*order: str) -> str | None:
        ran = subprocess.run(["git", "-C", str(home), *order], capture_output=True, text=True, timeout=60)
        return ran.stdout if ran.returncode == 0 else None

    if git("rev-parse", "--is-shallow-repository") != "false\n":
        pytest.skip("no whole history here: a shallow clone, or no repository")
    return git


def recipes_at(history, commit):
    """`umsn/recipes.py` as that commit has it, by name as JSON holds them; a preset of another kind is left out."""
    module = ModuleType("recipes_then")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(history("show", f"{commit}:umsn/recipes.py"), module.__dict__)
        return json.loads(json.dumps({name: asdict(found) for name, found in module.RECIPES.items()}))
    finally:
        del sys.modules[module.__name__]


def test_the_commits_that_card_and_facts_name_hold_what_is_said_of_them(home, history, first):
    """The recipe is in the commit that the facts name; else they say that it was edited, and the card where it is."""
    facts = first
    trained, code = facts["recipe"], facts["provenance"]["code"]
    assert history("cat-file", "-e", f"{code['commit']}^{{commit}}") is not None
    if recipes_at(history, code["commit"]).get(trained["name"]) == trained:
        return
    card = " ".join((home / "umsn/pretrained/MODEL_CARD.md").read_text(encoding="utf-8").split())
    assert code["edited"], "a clean commit has to hold what it was trained by"
    lacking, holding, minutes = re.search(
        r"name commit (\w{12}) and say that it was edited\. That commit does not hold the recipe `gpu-short`\. "
        r"Commit (\w{12}), made (\d+) minutes after these facts, is the first that holds it",
        card,
    ).groups()
    assert code["commit"].startswith(lacking)
    assert recipes_at(history, holding)[trained["name"]] == trained
    assert trained["name"] not in recipes_at(history, f"{holding}~")
    written = datetime.fromisoformat(history("log", "-1", "--format=%cI", holding).strip())
    since = written - datetime.fromisoformat(facts["provenance"]["date"])
    assert round(since.total_seconds() / 60) == int(minutes)


def test_the_descriptors_commits_are_in_the_history(home, history):
    _, facts = load(home / "umsn/pretrained/descriptor.safetensors")
    for code in (facts["code"], facts["trained on"]["drawn by"], facts["measured on"]["drawn by"]):
        assert history("cat-file", "-e", f"{code['commit']}^{{commit}}") is not None and not code["edited"]


def test_parsing_has_not_changed_since_the_first_part(first):
    now, then = shipped(), archive.pipeline_of(shipped().facts["start"])
    for tensor, before in zip(now.snet.state_dict().values(), then.snet.state_dict().values(), strict=True):
        assert tensor.equal(before)


def test_the_record_of_the_training_tells_of_both_parts(home, first):
    """Seed, faces, length and hardware of every stage are those of the facts and of their recipe."""
    facts, stages = shipped().facts, read_json(home / "results/measured/training.json")["stages"]
    recipe_then = first["recipe"]
    lengths = {"parse-clean": "parse_clean", "parse-blurry": "parse_blurry", "umsn": "whole", "bnet": "whole"}
    lengths |= {f"stream-{name}": "stream" for name in CLASSES}
    longer = {f"{name}, {facts['recipe']['name']}" for name in ("umsn", "bnet")}
    assert set(stages) == {f"{name}, {recipe_then['name']}" for name in lengths} | longer
    for name, field in lengths.items():
        stage, schedule = stages[f"{name}, {recipe_then['name']}"], recipe_then[field]
        told = {key.replace("_", " "): value for key, value in schedule.items()}
        assert {key: stage[key] for key in told} == told, name
        assert (stage["seed"], stage["data"]) == (first["seed"], first["data"]), name
        assert stage["hardware"] == first["provenance"]["platform"]["gpu"], name
    whole = stages[f"umsn, {recipe_then['name']}"]
    assert whole["iterations"] == first["iterations"] and whole["minutes"] == round(first["seconds"] / 60, 1)
    for name in longer:
        told = {key: facts[key] for key in ("iterations", "batch", "decay", "seed", "data", "hardware")}
        assert {key: stages[name][key] for key in told} == told, name
        assert stages[name]["images before"] == first["iterations"] * recipe_then["whole"]["batch"]


def test_the_card_says_how_long_on_what_and_on_how_many_faces(home, first):
    card = " ".join((home / "umsn/pretrained/MODEL_CARD.md").read_text(encoding="utf-8").split())
    facts, schedule = shipped().facts, first["recipe"]["whole"]
    assert f"UMSN for {schedule['iterations']:,} steps of {schedule['batch']} images" in card
    assert f"UMSN went on for {facts['iterations']:,} steps of {facts['batch']} images" in card
    seen = schedule["iterations"] * schedule["batch"] + facts["iterations"] * facts["batch"]
    assert f"has now seen {seen:,} images" in card
    for some, hardware in ((first, first["provenance"]["platform"]["gpu"]), (facts, facts["hardware"])):
        assert hardware.split()[1] in card and f"`{some['recipe']['name']}`" in card
        assert not some["perceptual"] and "L_p (Eq. 6) was left out in both" in card
    photographs, synthetic = (
        int(n.replace(",", "")) for n in re.findall(r"- ([\d,]+) (?:photographs|synthetic) ", card)
    )
    assert photographs + synthetic == first["recipe"]["faces"]
    _, descriptor = load(home / "umsn/pretrained/descriptor.safetensors")
    assert f"`descriptor.safetensors` is trained on {descriptor['trained on']['count']} synthetic faces" in card
