import json
import runpy
from dataclasses import asdict

from umsn.files import read_json
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
    assert f"width {facts['width']}, expansion {facts['expansion']}" in card


def test_the_weights_were_trained_under_the_recipe_of_that_name():
    trained = shipped().facts["recipe"]
    assert json.loads(json.dumps(asdict(recipe(trained["name"])))) == trained


def test_the_records_were_made_with_these_weights(home):
    """Every score of the card names the very file that is in the package."""
    maker = runpy.run_path(str(home / "book/model_card.py"))
    for name in maker["SETS"]:
        provenance = read_json(maker["MEASURED"] / f"evaluate-umsn-{name}.json")["provenance"]
        assert provenance["weights"] == {"umsn": shipped().digest}, name
