"""The command line does what it says, for any image; what is wrong with an input takes one line and exit code 2."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps
from skimage.data import astronaut

from umsn import cli
from umsn.cli import options
from umsn.data import blur, datasets
from umsn.evaluation import metrics
from umsn.evaluation.methods import UNTRAINED
from umsn.files import InputError
from umsn.networks import weights

FACE = astronaut()[20:240, 100:350]  #: 220 x 250, the astronaut's head
LUMA = np.asarray(Image.fromarray(FACE).convert("L"))
ALPHA = np.add.outer(np.arange(220), np.arange(250)).astype(np.uint8)
RGBA = np.dstack([FACE, ALPHA])


def networks_that(restore):
    """What gives such networks in the place of the package's."""

    def networks(blurred):
        return SimpleNamespace(restored=restore(blurred))

    networks.facts = {"method": "umsn"}
    return lambda **where: networks


@pytest.fixture
def untouched(monkeypatch):
    """Networks that give their input back, in place of the package's."""
    monkeypatch.setattr("umsn.networks.weights.shipped", networks_that(lambda blurred: blurred))


def lines(capsys):
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def odd_pictures(folder):
    """Twelve files; the mode in which each comes back, and its upright pixels where they must come back exactly."""
    picture = Image.fromarray(FACE)
    picture.convert("L").save(folder / "grey.png")
    (folder / "grey16.png").write_bytes(imagecodecs.png_encode(LUMA.astype(np.uint16) * 257))
    (folder / "colour16.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(RGBA.astype(np.uint16) * 250)))
    tifffile.imwrite(folder / "scan.tif", FACE.astype(np.uint16) * 250, photometric="rgb", compression="lzw")
    tifffile.imwrite(folder / "float.tif", (LUMA / 255).astype(np.float32))
    picture.convert("1").save(folder / "fax.tif", compression="group4")
    picture.quantize(64).save(folder / "palette.gif", transparency=3)
    Image.fromarray(RGBA).save(folder / "cut out.png")
    Image.merge("LA", Image.fromarray(np.dstack([LUMA, ALPHA, ALPHA])).split()[:2]).save(folder / "grey alpha.png")
    picture.convert("CMYK").save(folder / "print.jpg", quality=95)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    picture.save(folder / "phone.jpg", exif=rotated, quality=95)
    Image.fromarray(FACE[100:117, :131]).save(folder / "strip.webp", lossless=True)
    upright = ImageOps.exif_transpose(Image.open(folder / "phone.jpg"))
    return {
        "grey.png": ("L", LUMA),
        "grey16.png": ("I;16", LUMA.astype(np.uint16) * 257),
        "colour16.png": ("RGBA", None),
        "scan.tif": ("RGB", None),
        "float.tif": ("I;16", LUMA.astype(np.uint16) * 257),
        "fax.tif": ("L", np.asarray(picture.convert("1").convert("L"))),
        "palette.gif": ("RGBA", None),
        "cut out.png": ("RGBA", RGBA),
        "grey alpha.png": ("LA", np.dstack([LUMA, ALPHA])),
        "print.jpg": ("RGB", np.asarray(Image.open(folder / "print.jpg").convert("RGB"))),
        "phone.jpg": ("RGB", np.asarray(upright)),
        "strip.webp": ("RGB", FACE[100:117, :131]),
    }


BAD = {"empty.png": b"", "text.jpg": b"Dear Sir,\n", "cut.png": None, "tiny.png": None}


def test_odd_pictures_and_bad_ones_in_one_call(tmp_path, untouched, capsys):
    expected = odd_pictures(tmp_path)
    whole = (tmp_path / "grey.png").read_bytes()
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    Image.fromarray(FACE[:9, :9]).save(tmp_path / "tiny.png")
    names = [*expected, *BAD, "missing.png", "empty folder"]
    (tmp_path / "empty folder").mkdir()
    out = tmp_path / "out"
    assert cli.main(["deblur", *(str(tmp_path / name) for name in names), "-o", str(out)]) == 2
    said, complaints = lines(capsys)
    assert len(said) == len(expected) and all(line.endswith(" s") for line in said)
    assert len(complaints) == len(BAD) + 2 and all(line.startswith("umsn: ") for line in complaints)
    for name, line in zip([*BAD, "missing.png"], complaints, strict=False):
        assert str(tmp_path / name) in line
    for name, (mode, pixels) in expected.items():
        result = Image.open(out / f"{name.rpartition('.')[0]}.png")
        assert result.mode == mode, name
        if pixels is not None:
            np.testing.assert_array_equal(np.asarray(result), pixels, err_msg=name)
    deep = imagecodecs.png_decode((out / "colour16.png").read_bytes())
    np.testing.assert_array_equal(deep, RGBA.astype(np.uint16) * 250)
    np.testing.assert_array_equal(imagecodecs.png_decode((out / "scan.png").read_bytes()), FACE.astype(np.uint16) * 250)
    assert len(list(out.iterdir())) == len(expected)


def test_box_and_whole_say_where_to_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("umsn.networks.weights.shipped", networks_that(lambda blurred: 1 - blurred))
    photo = tmp_path / "a.png"
    Image.fromarray(FACE).save(photo)
    assert cli.main(["deblur", str(photo), "-o", str(tmp_path / "box"), "--box", "10,20,40,40"]) == 0
    assert cli.main(["deblur", str(photo), "-o", str(tmp_path / "whole"), "--whole"]) == 0
    changed = np.asarray(Image.open(tmp_path / "box/a.png")) != FACE
    assert changed[10:50, 20:60].any()
    changed[10:50, 20:60] = False
    assert not changed.any()
    assert (np.asarray(Image.open(tmp_path / "whole/a.png")) != FACE).mean() > 0.9
    assert ": 10,20,40,40; " in lines(capsys)[0][0]
    assert cli.main(["deblur", str(photo), "--box", "10,20"]) == 2
    assert "ROW,COLUMN,HEIGHT,WIDTH" in lines(capsys)[1][0]


def test_a_rival_deblurs_in_place_of_the_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(UNTRAINED, "xu", lambda blurred: 1 - blurred)
    photo = tmp_path / "a.png"
    Image.fromarray(FACE).save(photo)
    assert cli.main(["deblur", str(photo), "-o", str(tmp_path / "xu"), "--whole", "--method", "xu"]) == 0
    assert (np.asarray(Image.open(tmp_path / "xu/a.png")) != FACE).mean() > 0.9
    for wrong in (["--method", "nobody"], ["--method", "xu", "--fast"], ["--method", "blurred"]):
        assert cli.main(["deblur", str(photo), "-o", str(tmp_path / "none"), *wrong]) == 2
        assert len(lines(capsys)[1]) == 1 and not (tmp_path / "none").exists()


def test_two_photographs_of_one_name_and_the_photographs_themselves_are_kept(tmp_path, untouched):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(FACE).save(tmp_path / folder / "face.png")
    before = (tmp_path / "a/face.png").read_bytes()
    photos = [str(tmp_path / folder / "face.png") for folder in ("a", "b")]
    assert cli.main(["deblur", *photos, "-o", str(tmp_path / "a")]) == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["face-2.png", "face-3.png", "face.png"]
    assert (tmp_path / "a/face.png").read_bytes() == before


@pytest.mark.slow
def test_train_then_deblur_and_evaluate_with_what_was_trained(tmp_path, capsys):
    out, faces = tmp_path / "run", tmp_path / "faces"
    assert cli.main(["draw", "8", "--seed", "3", "--size", "96", "-o", str(faces)]) == 0
    drawn = datasets.load(faces, layout="synthetic")
    assert len(drawn) == 8 and drawn.photos.shape[-2:] == (96, 96) and len(set(drawn.identities.tolist())) == 2
    order = ["train", "--recipe", "smoke", "--faces", str(faces), "--validate", "2", "-o", str(out)]
    assert cli.main(order) == 0
    learned = json.loads((out / "umsn.json").read_text())
    assert learned["history"][-1]["validation psnr"] > 10 and learned["provenance"]["command"]
    trained = str(out / "pretrained/umsn.safetensors")
    assert weights.pipeline(trained).facts["method"] == "umsn"
    Image.fromarray(FACE).save(tmp_path / "face.jpg")
    assert cli.main(["deblur", str(tmp_path / "face.jpg"), "-o", str(tmp_path), "--weights", trained]) == 0
    assert cli.main(["deblur", str(tmp_path), "-o", str(tmp_path / "fast"), "--weights", trained, "--fast"]) == 0
    slow, fast = (
        np.asarray(Image.open(path)).astype(int) for path in (tmp_path / "face.png", tmp_path / "fast/face.png")
    )
    assert abs(slow - fast).max() <= 1
    order = ["--method", "blurred,umsn", "--faces", str(faces), "--sizes", "13", "--kernels", "1", "--limit", "2"]
    assert cli.main(["evaluate", *order, "--weights", trained, "--json", str(tmp_path / "rows.json")]) == 0
    record = json.loads((tmp_path / "rows.json").read_text())
    assert len(record["rows"]["psnr"]) == 4
    assert sum(line.startswith("umsn ") for line in lines(capsys)[0]) == 3


def test_kernels_are_drawn_from_their_seed(tmp_path, capsys):
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert cli.main(["kernels", "5", "--size", "15", "--seed", seed, "-o", str(tmp_path / folder)]) == 0
    a, b, c = (np.load(tmp_path / folder / "kernel-0004.npy") for folder in "abc")
    assert a.shape == (15, 15) and a.sum() == pytest.approx(1)
    assert (a == b).all() and (a != c).any()
    assert Image.open(tmp_path / "a/kernels.png").size == (4 * (3 * 17 + 2), 4 * (2 * 17 + 2))


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("draw 0 -o x", "at least 1"),
        ("kernels 3 --size 4 -o x", "odd size"),
        ("train --recipe nothing -o x", "expected one of"),
        ("train --stage nothing -o x", "expected one of"),
        ("train --minutes 0 -o x", "more than 0"),
        ("train --fit 0 -o x", "more than 0"),
        ("train --network-layout fast -o x", "expected auto, plain, gpu, gpu-triton"),
        ("evaluate --method nothing", "nothing"),
        ("evaluate --method blurred --sizes 12", "odd sizes"),
        ("evaluate --method blurred --faces nowhere", "no such folder"),
        ("deblur a.png --weights nowhere.safetensors", "no such file"),
        ("kernels 3 -o /dev/null/x", "/dev/null"),
    ],
)
def test_bad_orders_take_one_line_and_exit_code_2(order, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(order.split()) == 2
    complaints = lines(capsys)[1]
    assert len(complaints) == 1 and complaints[0].startswith("umsn: ") and words in complaints[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="these devices are POSIX's")
def test_a_full_or_closed_standard_output_takes_one_line(home):
    order = [sys.executable, "-m", "umsn", "evaluate", "--method", "blurred", "--faces", "1", "--sizes", "13"]
    full = subprocess.run(["sh", "-c", '"$@" > /dev/full', "sh", *order], cwd=home, capture_output=True, text=True)
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *order], cwd=home, capture_output=True, text=True)
    for ran in (full, closed):
        assert ran.returncode == 2 and len(ran.stderr.splitlines()) == 1 and ran.stderr.startswith("umsn: ")


def test_the_table_is_printed_though_the_record_cannot_be_written(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "r.json")

    monkeypatch.setattr("umsn.files.write_json", full)
    order = ["evaluate", "--method", "blurred", "--faces", "1", "--sizes", "13", "--kernels", "1"]
    assert cli.main([*order, "--json", str(tmp_path / "r.json")]) == 2
    said, complaints = lines(capsys)
    assert any(line.startswith("blurred   psnr ") for line in said)
    assert complaints == ["umsn: r.json: No space left on device"]


@pytest.mark.parametrize("name", ["photo.jpg", "."])
def test_a_record_replaces_no_other_file(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    assert cli.main(["evaluate", "--faces", "1000", "--json", name]) == 2
    assert len(lines(capsys)[1]) == 1 and (tmp_path / "photo.jpg").read_bytes() == b"\xff\xd8\xff"


def test_interruption_is_quiet(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("umsn.data.blur.kernels", interrupted)
    assert cli.main(["kernels", "3", "-o", str(tmp_path)]) == 130
    assert lines(capsys)[1] == ["umsn: interrupted"]


def test_help_needs_no_heavy_import(home):
    """What makes help slow is importing torch and its like; time itself depends on the machine."""
    code = "import sys, umsn.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True)
    assert "deblur" in ran.stdout and "'umsn.cli'" in ran.stdout
    assert not any(f"'{heavy}'" in ran.stdout for heavy in ("torch", "numpy", "skimage", "PIL", "pandas"))


def test_layouts_in_the_help_are_those_of_the_data_sets():
    for layout in options.LAYOUTS.replace(" or ", ", ").split(", "):
        with pytest.raises(InputError, match="no such folder"):
            datasets.load("nowhere", layout=layout)


def test_a_blurred_photograph_comes_back_sharper(tmp_path):
    """The package's own networks, on a real face with a real amount of blur: nearer to the sharp one than its input."""
    sharp = torch.from_numpy(FACE.copy()).movedim(-1, 0)[None].float() / 255
    generator = torch.Generator().manual_seed(5)
    blurred = blur.blur(sharp, blur.kernels([17], generator))
    blurred = blur.add_noise(blurred, 0.01, generator).clamp(0, 1)
    pixels = (blurred[0] * 255).round().byte().movedim(0, -1).numpy()
    Image.fromarray(pixels).save(tmp_path / "face.png")
    assert cli.main(["deblur", str(tmp_path / "face.png"), "-o", str(tmp_path / "out")]) == 0
    restored = torch.from_numpy(np.asarray(Image.open(tmp_path / "out/face.png")).copy()).movedim(-1, 0)[None] / 255
    inner = (..., slice(55, 145), slice(75, 170))
    assert metrics.psnr(restored[inner], sharp[inner]) > metrics.psnr(blurred[inner], sharp[inner])


def test_torchrun_leaves_every_option_of_train_to_the_program():
    """torchrun refuses an option of the program that could be short for several of its own (`--start` was one)."""
    from torch.distributed.run import get_args_parser

    train = next(a for a in cli._parser()._actions if a.choices).choices["train"]
    for option in (
        o for action in train._actions for o in action.option_strings if o.startswith("--") and o != "--help"
    ):
        found = get_args_parser().parse_args(["--nproc-per-node", "2", "-m", "umsn", "train", option, "1"])
        assert found.training_script_args == ["train", option, "1"]
