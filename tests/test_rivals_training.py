"""The learned rivals in the project's loop: UMSN's batches, checkpoints, exported files, and what users are told."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training import run_in, striped

from umsn import cli
from umsn.evaluation import TITLES, named_method, networks_of
from umsn.evaluation.methods import AFTERWARDS
from umsn.evaluation.rivals.gallery_detail import taken_apart
from umsn.files import InputError
from umsn.networks import cost, weights
from umsn.networks.deblurring import parameters
from umsn.networks.onnx_export import Fast
from umsn.networks.rivals import LEARNED
from umsn.networks.rivals.mobilenet import MobileNetV2
from umsn.recipes import recipe
from umsn.training import stages
from umsn.training.batches import Source
from umsn.training.loop import generator_of

FACES = striped()
GALLERY = taken_apart(FACES.photos.float() / 255)
FIRST = ("parse-clean", "parse-blurry")
#: Between them: several scales, a critic, masks.
SOME = ("nah", "shen-gan")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """S-Net and the rivals, four steps each, and their exported files."""
    run = run_in(tmp_path_factory.mktemp("run"), width=8)
    stages.train(run, FACES, stages=[*FIRST, *LEARNED], say=None)
    for name in LEARNED:
        stages.export(run, name, run.folder / "pretrained" / f"{name}.safetensors", {})
    return run


def same(a: Path, b: Path) -> bool:
    one, other = (weights.load(path)[0] for path in (a, b))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def parsed(trained, folder):
    """A new run with S-Net's two stages."""
    run = run_in(folder, width=8)
    for stage in FIRST:
        run.checkpoint(stage).write_bytes(trained.checkpoint(stage).read_bytes())
    return run


def test_rivals_see_umsn_s_batches(trained, tmp_path, monkeypatch):
    """Step by step the same bits; other stages keep their own."""
    run, seen, draw = parsed(trained, tmp_path), [], Source.draw
    source = Source.of(FACES, run.recipe, seed=0)
    for name, whose in (("bnet", "bnet"), ("shen", "umsn"), ("nah", "umsn")):
        expected = [source.draw(2, generator_of(0, whose, step)) for step in range(4)]
        with monkeypatch.context() as patch:
            patch.setattr(Source, "draw", lambda *given: seen.append(draw(*given)) or seen[-1])
            stages.train(run, FACES, stages=[name], say=None)
        for drawn, one in zip(seen[-4:], expected, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(drawn, one, strict=True)), name
    assert stages.STAGES["umsn"].batches is None


def test_rivals_are_trained_as_long_as_umsn_and_as_fast_as_published():
    plans = {name: stages.STAGES[name].plan(recipe("paper")) for name in ("umsn", *LEARNED)}
    for name, plan in plans.items():
        assert replace(plan, learning_rate=0) == replace(plans["umsn"], learning_rate=0), name
        assert plan.learning_rate == pytest.approx(LEARNED[name].learning_rate if name in LEARNED else 2e-4)
    assert stages.STAGES["nah"].plan(recipe("gpu-short")).learning_rate == pytest.approx(1e-3 / 4)
    assert set(stages.STAGES) - set(stages.ALL) == set(LEARNED)


@pytest.mark.parametrize("name", SOME)
def test_an_interrupted_rival_goes_on_to_the_same_weights(trained, tmp_path, name):
    """Also its critic, which the checkpoint holds as well."""
    parts = parsed(trained, tmp_path)
    for _ in range(4):
        stages.train(parts, FACES, stages=[name], minutes=1e-4, say=None)
    assert weights.load(parts.checkpoint(name))[1]["step"] == 4
    assert same(parts.checkpoint(name), trained.checkpoint(name))
    held = weights.load(parts.checkpoint(name))[0]
    assert any(key.startswith("task.objective.critic") for key in held)


@pytest.mark.parametrize("name", LEARNED)
def test_an_exported_rival_is_what_was_trained_without_its_critic(trained, name, monkeypatch):
    file = trained.folder / "pretrained" / f"{name}.safetensors"
    found = weights.pipeline(file)
    assert found.facts["method"] == found.facts["stage"] == name and found.facts["iterations"] == 4
    held = weights.load(trained.checkpoint(name))[0]
    for key, tensor in found.network.state_dict().items():
        assert torch.equal(tensor, held[f"task.network.{key}"].half().float()), key
    assert not any("critic" in key for key in weights.load(file)[0])
    blurred = torch.rand(2, 3, 33, 46)
    restored = found(blurred).restored
    assert restored.shape == blurred.shape and restored.min() >= 0 and restored.max() <= 1
    monkeypatch.setattr("umsn.evaluation.rivals.gallery_detail.drawn_gallery", lambda: GALLERY)
    followed = AFTERWARDS[name](restored) if name in AFTERWARDS else restored
    assert torch.equal(followed, named_method(name, weights=file)(blurred))
    assert torch.equal(followed, restored) == (name not in AFTERWARDS)


def test_a_folder_gives_each_method_its_file(trained):
    found = networks_of(["blurred", "nah", "shen"], trained.folder / "pretrained")
    assert {name: one.facts["method"] for name, one in found.items()} == {"nah": "nah", "shen": "shen"}


@pytest.mark.parametrize("name", LEARNED)
def test_without_weights_the_way_to_them_is_told(name):
    with pytest.raises(InputError, match=rf"method '{name}': .*umsn train --stage {name}.*--weights"):
        networks_of([name])
    assert TITLES[name]


def test_weights_of_another_method_are_refused(trained):
    for name, other in (("nah", "shen"), ("umsn", "nah"), ("shen", "shen-gan")):
        with pytest.raises(InputError, match=rf"of method '{other}'; those of '{name}' were expected"):
            networks_of([name], trained.folder / "pretrained" / f"{other}.safetensors")


def test_a_rival_goes_on_from_its_own_weights_and_takes_s_net_from_any(trained, tmp_path):
    start = trained.folder / "pretrained" / "shen.safetensors"
    more, fresh = replace(run_in(tmp_path / "more", width=8), start=start), trained
    begun = weights.pipeline(start).network.state_dict()
    assert all(torch.equal(tensor, begun[key]) for key, tensor in more.task("shen").network.state_dict().items())
    news = (run.task("nah").network.state_dict() for run in (more, fresh))
    assert all(torch.equal(a, b) for a, b in zip(*(new.values() for new in news), strict=True))
    blurred = torch.rand(1, 3, 24, 24)
    torch.testing.assert_close(more.parse()(blurred), weights.pipeline(start).masks(blurred))


def test_perceptual_losses_join_where_the_publication_has_one(trained):
    run = replace(trained, features=lambda image: image.diff(dim=-1), recipe=replace(trained.recipe, lam1=0.5))
    batch = Source.of(FACES, run.recipe, seed=0).batch(2, torch.Generator().manual_seed(0))
    for name, learned in LEARNED.items():
        terms, plain = run.task(name)(batch), trained.task(name)(batch)
        assert ("perceptual" in terms) == learned.perceptual
        if learned.perceptual:
            torch.testing.assert_close(terms["loss"], plain["loss"] + 0.5 * terms["perceptual"])


def test_the_command_line_trains_and_measures_a_rival(tmp_path, capsys):
    order = ["train", "--recipe", "smoke", "--validate", "2", "-o", str(tmp_path / "run"), "--stage", "parse-clean"]
    assert cli.main([*order, "--stage", "parse-blurry", "--stage", "nah"]) == 0
    order = [
        "evaluate",
        "--faces",
        "1",
        "--sizes",
        "13",
        "--kernels",
        "1",
        "--weights",
        str(tmp_path / "run/pretrained"),
    ]
    assert cli.main([*order, "--method", "blurred,nah"]) == 0
    assert sum(line.startswith("nah ") for line in capsys.readouterr().out.splitlines()) == 3
    assert cli.main([*order[:-2], "--method", "nah"]) == 2
    assert "umsn train --stage nah" in capsys.readouterr().err


def test_their_cost_is_listed():
    table = cost.learned(recipe("paper")).set_index("network")
    assert list(table.index) == list(LEARNED)
    for name, learned in LEARNED.items():
        assert table.loc[name, "parameters"] == parameters(learned.network(64))
    assert table.loc["nah", "macs"] == pytest.approx(84e9, rel=0.01)


@pytest.mark.slow
def test_onnx_runtime_restores_the_same(trained, tmp_path):
    """Of a network with maps, two scales, pooling and a transposed convolution."""
    pytest.importorskip("onnxruntime")
    found = weights.pipeline(trained.folder / "pretrained" / "shen.safetensors")
    blurred = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(Fast(found, folder=tmp_path)(blurred), found(blurred).restored, atol=1e-3, rtol=0)


def torchvision_s(path: Path, width: int) -> dict[str, torch.Tensor]:
    """A file with the names that torchvision has, of other numbers."""
    found = {name: torch.randn_like(tensor) for name, tensor in MobileNetV2(width=width).state_dict().items()}
    torch.save(found, path)
    return found


def test_a_backbone_trained_elsewhere_is_what_kupyn_begins_with(trained, tmp_path):
    """It is trained on, no layer frozen, and the files say with which it began."""
    given = torchvision_s(tmp_path / "mobilenet.pth", 8)
    run = replace(run_in(tmp_path, width=8), backbone=tmp_path / "mobilenet.pth")
    for stage in FIRST:
        run.checkpoint(stage).write_bytes(trained.checkpoint(stage).read_bytes())
    begun = run.task("kupyn").network.backbone
    assert all(torch.equal(tensor, given[key]) for key, tensor in begun.state_dict().items())
    stages.train(run, FACES, stages=["kupyn", "nah"], say=None)
    stages.export(run, "kupyn", tmp_path / "kupyn.safetensors", {})
    found = weights.pipeline(tmp_path / "kupyn.safetensors")
    assert found.facts["backbone"] == weights.digest(run.backbone)
    assert weights.load(run.checkpoint("nah"))[1].get("backbone") is None
    moved = found.network.backbone.state_dict()
    assert all(not torch.equal(moved[key], given[key].half().float()) for key in given if key.endswith("0.weight"))


def test_a_backbone_that_fits_nothing_is_told_before_anything_is_trained(tmp_path):
    torchvision_s(tmp_path / "wide.pth", 16)
    run = run_in(tmp_path / "run", width=8)
    for name, order, said in (
        ("wide", ["parse-clean", "kupyn"], r"wide\.pth: features\.0\.0\.weight is \(8, 3, 3, 3\); \(4, 3, 3, 3\) was"),
        ("wide", ["parse-clean", "nah"], r"wide\.pth: no stage begins with one; expected stage kupyn"),
        ("none", ["parse-clean", "kupyn"], r"none\.pth: no such file; weights of torchvision's mobilenet_v2"),
    ):
        with pytest.raises(InputError, match=said):
            stages.train(replace(run, backbone=tmp_path / f"{name}.pth"), FACES, stages=order, say=None)
    assert not run.folder.exists()
