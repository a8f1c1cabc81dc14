"""An edition is what its parameters ask for, on anybody's faces; what cannot be had is refused before any work."""

import json
import subprocess
import sys
from pathlib import Path

import layouts
import papermill
import pytest
from safetensors.torch import save_file

from umsn.experiments.edition import opened
from umsn.experiments.parameters import PARAMETERS
from umsn.files import InputError
from umsn.networks import weights
from umsn.recognition import Descriptor, VGGFace

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def no_figures(monkeypatch, tmp_path):
    """Opening an edition says where figures go; here nowhere that lasts."""
    monkeypatch.setenv("UMSN_FIGURES", str(tmp_path / "figures"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A miniature data set in every layout, by name."""
    top, faces = tmp_path_factory.mktemp("sets"), layouts.people()
    made = {name: write(top / f"my {name}", faces) for name, write in layouts.LAYOUTS.items()}
    made["Helen"] = layouts.pairs(top / "shen", faces, "final_Helen")
    made["CelebA"] = layouts.pairs(top / "shen2", faces, "final_CelebA")
    made["PubFig"] = layouts.pairs(top / "PubFig", faces, "set")
    return made


def test_without_parameters_it_is_the_embedded_default(tmp_path):
    edition = opened({"runs": str(tmp_path)})
    assert (edition.recipe.name, edition.seed, edition.weights) == ("laptop", 0, "package")
    assert edition.folder == tmp_path / "laptop-0"
    assert edition.pipeline().digest == weights.shipped().digest
    assert edition.test_set.title == "synthetic faces" and len(edition.test_set.faces) == edition.recipe.test_faces


def test_what_a_notebook_imports_and_names_is_no_parameter():
    names = {"recipe": "smoke", "INNER": (1, 2), "_hidden": 3, "json": json, "In": [], "opened": opened}
    assert opened(names).recipe.name == "smoke"


def test_a_notebook_can_be_opened_again_whatever_its_variables_are_called():
    cells = [
        "",
        'recipe = "laptop"  # how much\nseed = 0',
        '# Parameters\nrecipe = "smoke"',
        "edition = opened(vars())",
    ]
    later = {"recipe": "smoke", "alt": "words", "test": [1, 2], "window": (1, 2)}
    assert opened({"In": cells, **later}).recipe.name == "smoke"
    assert opened({"In": [*cells, "alt = 'words'", "seed = 3"], **later}).seed == 3
    with pytest.raises(InputError, match="parameter 'recipee'"):
        opened({"In": [*cells[:2], "# Parameters\nrecipee = 'smoke'", cells[3]]})


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"recipee": "smoke"}, "parameter 'recipee': expected one of recipe, seed"),
        ({"recipe": "grande"}, "recipe 'grande': expected one of"),
        ({"seed": "0"}, "parameter seed = '0': expected int"),
        ({"seed": True}, "parameter seed = True: expected int"),
        ({"seed": -1}, "seed -1"),
        ({"faces": 240}, "parameter faces = 240: expected str"),
        ({"faces": "nowhere"}, "nowhere: no such folder; one for faces"),
        ({"test": "nowhere", "test_layout": "pairs"}, "nowhere: no such folder; one for test"),
        ({"faces": ".", "layout": "mine"}, "layout 'mine'"),
        ({"device": "cuda:99"}, "device 'cuda:99': no such device here"),
        ({"device": "mps"}, "device 'mps': expected cpu"),
        ({"weights": "nothing.safetensors"}, "weights 'nothing.safetensors': expected auto"),
        ({"descriptor": "none.onnx"}, "no such file"),
        ({"minutes": 0}, "minutes 0: expected more than 0"),
        ({"window": "1,2,3"}, "window '1,2,3'"),
    ],
)
def test_what_cannot_be_had_takes_one_line(names, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as refused:
        opened(names)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_faces_of_every_layout_are_trained_on_and_measured(folders, layout, tmp_path):
    there = {"faces": str(folders[layout]), "layout": layout, "test": str(folders[layout]), "test_layout": layout}
    edition = opened({"recipe": "smoke", "runs": str(tmp_path), **there})
    assert edition.folder.name == f"smoke-0-my-{layout}"
    assert len(edition.training_faces) == 4 and edition.training_faces.labels is not None
    rows = edition.measure(edition.methods(["blurred"]), sizes=(13,))
    assert len(rows) == edition.recipe.test_faces and rows["psnr_skin"].notna().any()
    title = {"helen": "Helen", "celebamask-hq": "CelebA", "labelmap": "my labelmap"}[layout]
    assert edition.test_set.title == title


@pytest.mark.parametrize("name", ["Helen", "CelebA", "PubFig"])
def test_pairs_are_measured_as_they_are_under_the_name_of_their_set(folders, name, tmp_path):
    edition = opened({"recipe": "smoke", "runs": str(tmp_path), "test": str(folders[name]), "test_layout": "pairs"})
    assert edition.test_set.title == name
    rows = edition.measure(edition.methods(["blurred"]))
    assert sorted(rows["size"].unique()) == [13, 17] and "psnr_skin" not in rows
    assert edition.labelled.title == "synthetic faces"


def test_a_gallery_is_somebodys_people(folders, tmp_path):
    edition = opened({"recipe": "smoke", "runs": str(tmp_path), "gallery": str(folders["labelmap"])})
    found = edition.people(10, 9)
    assert found.identities.tolist() == [0, 0, 1, 1]
    edition = opened({"recipe": "smoke", "gallery": str(folders["helen"]), "gallery_layout": "helen"})
    with pytest.raises(InputError, match=r"no identities\.csv"):
        edition.people(10, 9)


def test_weights_of_vgg_face_measure_distances_and_judge_nobody(tmp_path):
    path = tmp_path / "vgg.safetensors"
    thin = VGGFace((4, 4, 4, 4, 4)).state_dict()
    save_file({name.removeprefix("layers."): tensor for name, tensor in thin.items()}, path)
    edition = opened({"recipe": "smoke", "runs": str(tmp_path), "descriptor": str(path)})
    assert edition.judge_in_words == "our descriptor" and isinstance(edition.judge(), Descriptor)
    with pytest.raises(InputError, match=r"vgg\.safetensors: conv1_1\.weight is"):
        edition.vgg_face()
    assert opened({"recipe": "smoke", "runs": str(tmp_path)}).vgg_face() is None


def test_a_stage_that_was_cut_is_told_in_the_caption(tmp_path):
    edition = opened({"recipe": "laptop", "runs": str(tmp_path)})
    whole, plan = [{"step": edition.recipe.whole.iterations}], edition.recipe.stream.iterations
    assert edition.cut({"umsn": whole, "bnet": []}) == ""
    said = edition.cut({"umsn": whole, "stream-hair": [{"step": 1}, {"step": plan - 1}]})
    assert said == f"; out of time: stream-hair after {plan - 1} of {plan} iterations"


@pytest.mark.slow
def test_networks_are_the_editions_own_where_that_is_asked_for(folders, tmp_path):
    there = {"faces": str(folders["labelmap"]), "weights": "edition", "device": "cpu"}
    edition = opened({"recipe": "smoke", "runs": str(tmp_path), **there})
    facts = edition.pipeline().facts
    assert facts["recipe"]["name"] == "smoke" and facts["iterations"] == 3
    edition.keep("evaluate", {"a": 1})
    assert json.loads((edition.folder / "records/evaluate.json").read_text()) == {"a": 1}


def test_every_parameter_of_a_notebook_is_one_of_an_edition():
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        (declared,) = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
        namespace = {}
        exec("".join(declared["source"]), namespace)
        mine = {name: value for name, value in namespace.items() if name != "__builtins__"}
        assert mine == {name: PARAMETERS[name][0] for name in mine}, path.name
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        assert "edition = opened(vars())" in code, path.name


@pytest.fixture(scope="module")
def ran(home, folders, tmp_path_factory):
    """All notebooks under `smoke` on somebody's faces: trained on CelebAMask-HQ's layout, measured on Helen's pairs.

    But for those that take none of it and run here as they do in `tests/test_notebooks.py`.
    """
    into = tmp_path_factory.mktemp("edition")
    there = {
        "faces": folders["celebamask-hq"],
        "layout": "celebamask-hq",
        "test": folders["Helen"],
        "test_layout": "pairs",
        "gallery": folders["labelmap"],
        "weights": "edition",
        "runs": into / "runs",
        "device": "cpu",
    }
    printed = {}
    for path in NOTEBOOKS:
        mine = {name: there[name] for name in papermill.inspect_notebook(str(path)) if name in there}
        if not mine:
            continue
        words = [str(word) for name, value in mine.items() for word in ("-p", name, value)]
        order = [sys.executable, home / "book/run.py", path, "--recipe", "smoke", "--into", into / "executed"]
        done = subprocess.run([*order, *words], cwd=home, capture_output=True, text=True)
        assert done.returncode == 0, f"{path.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        printed[path.stem] = (into / "executed" / path.name).read_text("utf-8")
    return into, printed


@pytest.mark.slow
def test_all_notebooks_run_on_somebodys_faces_and_name_them(ran):
    into, printed = ran
    edition = into / "runs/smoke-0-my-celebamask-hq"
    assert (edition / "umsn.safetensors").exists() and (edition / "records/evaluate.json").exists()
    assert json.loads((edition / "records/evaluate.json").read_text())["provenance"]["protocol"]["pictures"] == 4
    (row,) = [line for line in printed["08_results"].split("<tr>") if "Helen" in line and ">UMSN<" in line][:1]
    assert row.split("</tr>")[0].count("not yet") == 2, "only the reference has no numbers in Helen's row"
    assert "networks trained under smoke" in printed["08_results"]
    assert "CelebA" in printed["07_training"]
    assert (into / "executed/figures/results-by-size.svg").exists()
