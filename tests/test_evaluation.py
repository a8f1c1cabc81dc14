"""The protocol against SciPy, the bootstrap against its analytic width, records against themselves."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import convolve2d
from scipy.stats import norm

from umsn import evaluation
from umsn.data import datasets
from umsn.data.blur import protocol_kernels
from umsn.evaluation import Protocol, blurred_batches, metrics
from umsn.evaluation.methods import UNTRAINED
from umsn.experiments.evaluate import from_record, measure, parse_sizes, to_record
from umsn.experiments.verify import verify
from umsn.faces import CLASSES, FaceSet, K, Window, masks_of
from umsn.files import InputError, read_json, write_json
from umsn.networks import weights
from umsn.networks.deblurring import build
from umsn.networks.parsing import SNet

WINDOW = Window(14, 15, 24, 20)


@pytest.fixture(scope="module")
def faces():
    """Three random images of 52 x 50, labelled in patches of all eleven labels."""
    random = torch.Generator().manual_seed(5)
    small = torch.rand(3, 3, 13, 13, generator=random)
    photos = torch.nn.functional.interpolate(small, size=(52, 50), mode="bicubic").clamp(0, 1)
    labels = torch.randint(0, 11, (3, 13, 13), generator=random).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return FaceSet(["a", "b", "c"], (photos * 255).byte(), labels[:, :, :50].byte(), torch.tensor([7, 7, 9]))


KERNELS = protocol_kernels((13, 17), 2, 0)


def same(blurred):
    return blurred


def save_networks(path, method):
    """Small untrained networks of a method as a file of weights."""
    torch.manual_seed(0)
    snet, network = SNet(widths=(4, 4, 4, 4)), build(method, width=8)
    tensors = {f"snet.{n}": t for n, t in snet.state_dict().items()}
    tensors |= {f"network.{n}": t for n, t in network.state_dict().items()}
    weights.save(path, tensors, {"method": method, "width": 8, "expansion": 1, "parsing_widths": [4, 4, 4, 4]})


def small(faces, methods=None, **options):
    told = {"batch": 5} | {name: options.pop(name) for name in ("batch", "progress", "also") if name in options}
    protocol = Protocol(**{"kernels": KERNELS, "window": WINDOW, **options})
    return evaluation.evaluate(methods or {"blurred": same}, faces, protocol, **told)


def test_rows_are_complete_and_tidy(faces):
    calls = []
    rows = small(faces, {"half": lambda x: x / 2, "blurred": same}, progress=lambda *counts: calls.append(counts))
    assert len(rows) == 2 * 3 * 2 * 2
    assert rows["method"].unique().tolist() == ["half", "blurred"]
    assert not rows.duplicated(["method", "face", "size", "kernel"]).any()
    assert rows.loc[rows.face == "c", "identity"].unique().tolist() == [9]
    wanted = ["psnr", "ssim", "ssim_volumetric", *(f"{m}_{c}" for m in ("psnr", "ssim") for c in CLASSES)]
    assert evaluation.measured_columns(rows) == wanted
    assert calls == [(5, 12), (10, 12), (12, 12)]
    assert rows.attrs["protocol"]["data"] == datasets.data_hash(faces)
    assert set(rows.attrs["seconds_per_image"]) == {"half", "blurred"}


def test_the_best_shift_is_measured_where_asked_for(faces):
    dot = [(1, 1, torch.ones(1, 1))]
    asked = {"methods": {"moved": lambda x: x.roll(2, -1)}, "kernels": dot, "sigma": 0}
    moved, plain = small(faces, also={"psnr_shifted": metrics.psnr_shifted}, **asked), small(faces, **asked)
    assert (moved["psnr_shifted"] > 60).all() and (moved["psnr"] < 40).all()
    pd.testing.assert_frame_equal(moved.drop(columns="psnr_shifted"), plain)
    assert "psnr_shifted" in evaluation.measured_columns(moved)


def test_all_methods_are_those_that_can_run(tmp_path):
    assert evaluation.named("all") == [*UNTRAINED, "umsn"]
    (tmp_path / "nrl.safetensors").touch()
    assert evaluation.named("all", tmp_path) == [*UNTRAINED, "nrl"]
    with pytest.raises(InputError, match="one of weights"):
        evaluation.named("all", tmp_path / "nrl.safetensors")


def test_a_folder_of_weights_has_a_file_for_each_method(tmp_path):
    save_networks(tmp_path / "nrl.safetensors", "nrl")
    save_networks(tmp_path / "umsn.safetensors", "umsn")
    found = evaluation.networks_of(["umsn", "blurred", "nrl"], tmp_path)
    assert {name: one.facts["method"] for name, one in found.items()} == {"umsn": "umsn", "nrl": "nrl"}
    with pytest.raises(InputError, match="bnet"):
        evaluation.networks_of(["bnet"], tmp_path)


def test_a_record_of_several_networks_is_verified_with_their_folder(tmp_path):
    for method in ("umsn", "nrl"):
        save_networks(tmp_path / f"{method}.safetensors", method)
    record = measure(method="umsn,nrl", faces="1", sizes="13", kernels=1, weights=tmp_path)
    write_json(tmp_path / "record.json", record)
    assert verify(tmp_path / "record.json", weights=tmp_path).holds
    with pytest.raises(InputError, match="other weights"):
        verify(tmp_path / "record.json", weights=tmp_path / "umsn.safetensors")


def test_blurred_rows_are_scipys(faces):
    """Without noise: convolve the whole photograph, cut the window, measure. No border can be seen in it."""
    rows = small(faces, sigma=0)
    by_key = {(size, number): kernel.double() for size, number, kernel in KERNELS}
    for row in rows.itertuples():
        photo = faces.photos[faces.names.index(row.face)].double() / 255
        kernel = by_key[row.size, row.kernel]
        blurred = np.stack([convolve2d(plane, kernel, mode="same") for plane in photo])
        a, b = (WINDOW.crop(torch.as_tensor(x))[None] for x in (blurred, photo))
        assert row.psnr == pytest.approx(metrics.psnr(a.clamp(0, 1), b).item(), abs=1e-3)
        assert row.ssim == pytest.approx(metrics.ssim(a.clamp(0, 1), b).item(), abs=1e-4)


def test_noise_depends_on_the_picture_alone(faces):
    whole = small(faces)
    assert whole.equals(small(faces))
    keys = ["face", "size", "kernel"]
    for part in (small(faces, batch=1), small(faces, kernels=KERNELS[2:]), small(faces, kernels=KERNELS[::2])):
        both = part.merge(whole, on=keys, suffixes=("", "_whole"))
        assert len(both) == len(part)
        assert np.allclose(both["psnr"], both["psnr_whole"], atol=1e-4)
    assert not np.allclose(small(faces, seed=1)["psnr"], whole["psnr"], atol=1e-4)


def test_noise_has_its_deviation(faces):
    grey = FaceSet(["grey"], torch.full((1, 3, 60, 60), 128, dtype=torch.uint8), None)
    rows = small(grey, sigma=0.02, window=None)
    assert rows["psnr"].mean() == pytest.approx(-20 * np.log10(0.02), abs=0.1)
    assert "psnr_skin" not in rows


def test_quantised_pictures_are_files(faces):
    asked = Protocol(kernels=KERNELS[:1], window=WINDOW)
    exact, stored = (next(blurred_batches(faces, replace(asked, quantise=q))) for q in (False, True))
    assert torch.equal(stored.blurred, (exact.blurred * 255).round() / 255)
    assert not torch.equal(stored.blurred, exact.blurred)
    assert torch.equal(stored.masks, masks_of(WINDOW.crop(faces.labels)))


def test_any_kernels_take_the_protocols_place(faces):
    nothing = [(1, 1, torch.ones(1, 1)), (3, 1, torch.eye(3) / 3)]
    rows = small(faces, kernels=nothing, sigma=0)
    untouched = rows[rows["size"] == 1]
    assert (untouched["psnr"] > 120).all()
    assert untouched["ssim"].to_numpy() == pytest.approx(1)
    assert rows.attrs["protocol"]["centre"] is None
    assert np.isinf(small(faces, kernels=nothing[:1], sigma=0)["psnr"]).all()
    assert np.isfinite(rows.loc[rows["size"] == 3, "psnr"]).all()


def test_methods_are_checked_and_clipped(faces):
    with pytest.raises(ValueError, match="'cut' returned"):
        small(faces, {"cut": lambda x: x[..., 1:]})
    with pytest.raises(ValueError, match="not finite"):
        small(faces, {"bad": lambda x: x / 0})
    far = small(faces, {"far": lambda x: x + 9, "white": torch.ones_like})
    far, white = (far.loc[far.method == name, "psnr"].to_numpy() for name in ("far", "white"))
    assert np.array_equal(far, white)
    with pytest.raises(InputError, match="does not fit"):
        small(faces, window=Window(40, 0, 20, 20))


def test_masks_of_clean_and_blurry_pictures(faces):
    """A parser that knows the truth of every clean image scores 1 there; one that says skin everywhere, its F."""
    photos, masks = WINDOW.crop(faces.photos).float() / 255, masks_of(WINDOW.crop(faces.labels))
    known = {tuple(p.flatten()[:50].tolist()): m for p, m in zip(photos, masks, strict=True)}

    def oracle(pictures):
        return torch.stack(
            [known.get(tuple(p.flatten()[:50].tolist()), torch.zeros(K, *p.shape[1:])) for p in pictures]
        )

    def skin(pictures):
        return torch.eye(K)[1][:, None, None].expand(len(pictures), K, *pictures.shape[2:])

    rows = evaluation.evaluate_masks(
        {"oracle": oracle, "skin": skin}, faces, Protocol(sizes=(13,), per_size=2, window=WINDOW)
    )
    assert len(rows) == 2 * 3 * (1 + 2) * K
    clean = rows[(rows["input"] == "clean") & (rows["method"] == "oracle")]
    assert (clean["f_score"].dropna() == 1).all()
    blurry = rows[(rows["input"] == "blurry") & (rows["method"] == "oracle")]
    assert blurry["f_score"].mean() < 0.5
    share = rows.loc[(rows["method"] == "skin") & (rows["class"] == "skin"), "true"] / (WINDOW.height * WINDOW.width)
    scores = rows.loc[(rows["method"] == "skin") & (rows["class"] == "skin"), "f_score"]
    assert np.allclose(scores, 2 * share / (1 + share))
    pooled = evaluation.pooled_f_scores(rows).set_index(["method", "input", "class"])
    assert pooled.loc[("oracle", "clean", "parts"), "mean"] == 1
    assert pooled.loc[("skin", "blurry", "skin"), "mean"] == pytest.approx(2 * share.mean() / (1 + share.mean()))
    assert pooled.loc[("skin", "blurry", "hair"), "mean"] == 0
    assert {"f_score"} == set(evaluation.summarise(rows, ["method", "input", "class"])["measure"])
    with pytest.raises(InputError, match="without labels"):
        evaluation.evaluate_masks({}, FaceSet(faces.names, faces.photos, None), Protocol())


def table(values, per_face=1):
    faces = np.repeat(np.arange(len(values) // per_face), per_face)
    return pd.DataFrame({"method": "m", "face": faces, "size": 13, "kernel": 1, "psnr": values})


def test_interval_of_independent_rows_is_the_analytic_one():
    values = np.random.default_rng(0).normal(25, 2, 400)
    one = evaluation.summarise(table(values), draws=20_000).iloc[0]
    half = norm.ppf(0.975) * values.std() / np.sqrt(400)
    assert one["mean"] == pytest.approx(values.mean())
    assert one["high"] - one["low"] == pytest.approx(2 * half, rel=0.03)
    assert (one["rows"], one["faces"]) == (400, 400)


def test_correlation_within_a_face_widens_the_interval():
    random = np.random.default_rng(1)
    face, noise = random.normal(0, 2, 50), random.normal(0, 1, 50 * 20)
    values = np.repeat(face, 20) + noise
    widths = []
    for per_face in (1, 20):
        one = evaluation.summarise(table(values, per_face), draws=5000).iloc[0]
        widths.append(one["high"] - one["low"])
    between = values.reshape(50, 20).mean(1).std()
    assert widths[1] == pytest.approx(2 * norm.ppf(0.975) * between / np.sqrt(50), rel=0.06)
    assert widths[1] > 3 * widths[0]


def test_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        values = np.repeat(random.normal(0, 1, 60), 4) + random.normal(0, 1, 240)
        one = evaluation.summarise(table(values, 4), draws=300).iloc[0]
        covered += one["low"] <= 0 <= one["high"]
    assert 0.90 <= covered / 200 <= 0.98


def test_summary_leaves_nan_out_and_says_what_it_cannot():
    rows = table(np.array([20.0, 22, np.nan, 30]), 2)
    one = evaluation.summarise(rows).iloc[0]
    assert one["mean"] == 24
    assert (one["rows"], one["faces"]) == (3, 2)
    assert evaluation.summarise(table(np.array([1.0, 2]), 2)).iloc[0][["low", "high"]].isna().all()
    endless = evaluation.summarise(table(np.array([1.0, np.inf, 3]))).iloc[0]
    assert np.isinf(endless["mean"])
    assert np.isnan(endless["low"])
    nothing = evaluation.summarise(table(np.array([np.nan, np.nan]))).iloc[0]
    assert np.isnan(nothing["mean"])
    assert evaluation.summarise(rows, seed=3).equals(evaluation.summarise(rows, seed=3))


def test_gains_compare_picture_by_picture(faces):
    rows = small(faces, {"half": lambda x: x / 2, "blurred": same})
    gained = evaluation.gains(rows)
    assert gained["method"].unique().tolist() == ["half"]
    half, blurred = (rows.loc[rows.method == name, "psnr"].to_numpy() for name in ("half", "blurred"))
    assert np.allclose(gained["psnr"], half - blurred)
    shuffled = evaluation.gains(rows.sample(frac=1, random_state=0)).sort_values(["face", "size", "kernel"])
    assert np.allclose(shuffled["psnr"], gained["psnr"])
    with pytest.raises(InputError, match="'umsn': not among"):
        evaluation.gains(rows, over="umsn")


def test_run_writes_a_record_that_reads_back(faces, tmp_path):
    datasets.save(faces, tmp_path / "faces")
    word = {"method": "blurred", "faces": str(tmp_path / "faces"), "window": "14,15,24,20", "sizes": "13:17:4"}
    record = measure(**word, kernels=2)
    write_json(tmp_path / "record.json", record)
    again = read_json(tmp_path / "record.json")
    assert again == json.loads(json.dumps(record, allow_nan=False))
    assert str(tmp_path) not in json.dumps(record)
    rows, direct = from_record(again), small(faces, centre="box", kernels=None, sizes=(13, 17), per_size=2)
    assert list(rows.columns) == list(direct.columns)
    assert np.allclose(rows["psnr"], direct["psnr"], atol=1e-5)
    (mean,) = [row["mean"] for row in again["summary"]["by_method"] if row["measure"] == "psnr"]
    assert mean == pytest.approx(direct["psnr"].mean(), abs=1e-4)
    assert again["provenance"]["protocol"]["window"] == [14, 15, 24, 20]
    assert again["provenance"]["protocol"]["kernels"] == 4


def test_run_measures_trained_networks(faces, tmp_path):
    save_networks(tmp_path / "tiny.safetensors", "umsn")
    datasets.save(faces, tmp_path / "faces")
    paths = {"faces": str(tmp_path / "faces"), "weights": str(tmp_path / "tiny.safetensors")}
    record = measure(method="blurred,umsn", sizes="13", kernels=1, noise=0.01, shifted=True, **paths)
    rows = from_record(record)
    assert (rows["psnr_shifted"] >= rows["psnr"]).all()
    assert rows["method"].unique().tolist() == ["blurred", "umsn"]
    assert np.isfinite(rows["psnr"]).all()
    restored = evaluation.named_method("umsn", weights=paths["weights"])
    assert np.allclose(small(faces, {"umsn": restored})["sigma"], 0.01)


def test_calibration_is_pooled_by_face(faces):
    """The truth is always right, the same doubt everywhere is right as often as a class is there; bands hold means."""
    asked = Protocol(kernels=KERNELS, window=WINDOW)
    doubt = lambda blurred: torch.full((len(blurred), K, *blurred.shape[-2:]), 1 / K)  # noqa: E731
    rows = evaluation.evaluate_calibration(doubt, faces, asked, batch=5)
    assert len(rows) == len(faces) * len(KERNELS) * 10
    (only,) = evaluation.reliability(rows.assign(method="doubt")).to_dict("records")
    assert (only["bin"], only["said"], only["mean"]) == (2, 1 / K, 1 / K)
    assert only["pixels"] == len(faces) * len(KERNELS) * K * WINDOW.height * WINDOW.width
    wild = evaluation.evaluate_calibration(lambda y: torch.cat([y, 1 - y[:, :1]], 1).softmax(1), faces, asked, batch=5)
    found = evaluation.reliability(wild.assign(method="wild"))
    assert ((found["low"] <= found["mean"]) & (found["mean"] <= found["high"])).all()


def test_a_record_is_verified(faces, tmp_path):
    """It holds to the last digit; a changed number, other faces and other files are noticed."""
    datasets.save(faces, tmp_path / "faces")
    folder, path = str(tmp_path / "faces"), tmp_path / "record.json"
    record = measure(method="blurred", faces=folder, sizes="13,15", kernels=2)
    write_json(path, record)
    assert verify(path, faces=folder)[:4] == (12, 12, 0.0, True)
    assert verify(path, faces=folder, limit=2)[:4] == (8, 8, 0.0, True)
    record["rows"]["psnr"][5] += 0.001
    write_json(path, to_record(from_record(record)) | {"provenance": record["provenance"]})
    verdict = verify(path, faces=folder)
    assert verdict.equal == 11 and verdict.largest == pytest.approx(0.001, abs=1e-5) and verdict.holds
    record["rows"]["psnr"] = [value + 3 for value in record["rows"]["psnr"]]
    write_json(path, to_record(from_record(record)) | {"provenance": record["provenance"]})
    verdict = verify(path, faces=folder)
    assert not verdict.holds and verdict.why == "psnr: the mean is 3 off"
    with pytest.raises(InputError, match="a folder called 'faces'"):
        verify(path)
    datasets.save(replace(faces, photos=faces.photos.flip(-1)), tmp_path / "others")
    with pytest.raises(InputError, match="other data"):
        verify(path, faces=str(tmp_path / "others"))
    write_json(path, measure(method="blurred", faces="2", sizes="13", kernels=2))
    assert verify(path, limit=1)[:4] == (2, 2, 0.0, True)
    write_json(path, {"provenance": {}})
    with pytest.raises(InputError, match="no record of umsn"):
        verify(path)


def test_published_pairs_are_measured_as_they_are(faces, tmp_path):
    """What `blurred_batches` makes, written as files and read back, has the rows that quantised images have."""
    (some,) = blurred_batches(faces, Protocol(kernels=KERNELS, quantise=True), batch=32)
    as_files = FaceSet(
        [f"{faces.names[i]}_ker{n:02d}_blur_k{s}" for i, (s, n) in zip(some.faces, some.kernels, strict=True)],
        (some.blurred * 255).round().byte(),
        None,
    )
    datasets.save(FaceSet(faces.names, faces.photos, None), tmp_path)
    datasets.save(as_files, tmp_path / "other")
    (tmp_path / "images").rename(tmp_path / "final_gt")
    (tmp_path / "other" / "images").rename(tmp_path / "final_blur")
    record = json.loads(json.dumps(measure(method="blurred", faces=str(tmp_path), layout="pairs", batch=5)))
    rows = from_record(record)
    made = small(faces, window=None, quantise=True)
    assert rows[["face", "size", "kernel"]].equals(made[["face", "size", "kernel"]])
    assert np.allclose(rows["psnr"], made["psnr"], atol=1e-4)
    assert rows["sigma"].isna().all()


SHARED = """
import sys
import torch
from umsn import cli
torch.set_num_threads(1)
sys.exit(cli.main(sys.argv[1:]))
"""


def test_processes_share_the_pictures_and_give_the_same_rows(faces, tmp_path):
    """Three processes, as torchrun starts them, and a number of images that they cannot share evenly."""
    datasets.save(faces, tmp_path / "faces")
    order = ["evaluate", "--method", "blurred,umsn", "--faces", "faces", "--sizes", "13,15", "--kernels", "1"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "3", "OMP_NUM_THREADS": "1"}
    start = partial(subprocess.Popen, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    program = [sys.executable, "-c", SHARED, *order, "--device", "cpu"]
    environments = [os.environ | places | {"RANK": str(rank)} for rank in range(3)]
    processes = [start([*program, "--json", "shared.json"], env=environment) for environment in environments]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert "umsn" in said[0] and said[1:] == ["", ""]
    alone = start([*program, "--json", "alone.json"], env=os.environ)
    alone.communicate()
    shared, expected = (from_record(read_json(tmp_path / f"{name}.json")) for name in ("shared", "alone"))
    assert len(expected) == 2 * 2 * len(faces)
    pd.testing.assert_frame_equal(shared, expected, rtol=0, atol=1e-5)


def test_run_draws_faces():
    record = measure(method="blurred", faces="1", sizes="13", kernels=1)
    assert len(record["rows"]["psnr"]) == 1
    assert min(record["rows"]["identity"]) >= 1_000_000
    assert record["provenance"]["source"] == "1 synthetic faces"
    assert record["provenance"]["protocol"]["window"] == [16, 16, 128, 128]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("13:27:2", (13, 15, 17, 19, 21, 23, 25, 27)), ("13:17", (13, 15, 17)), ("17", (17,)), ("13,27", (13, 27))],
)
def test_sizes(text, sizes):
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "a", "12", "13:27:3", "27:13:2", "13:27:0", "13:17:2:1:1", "-3", "13;15"])
def test_bad_sizes(text):
    with pytest.raises(InputError, match="sizes"):
        parse_sizes(text)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,20,20", "0,0,0,20", "0,0,20,10"])
def test_bad_windows(text):
    assert Window.parse("28,16,128,128") == Window(28, 16, 128, 128)
    with pytest.raises(InputError, match="window"):
        Window.parse(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"faces": "0"}, "faces 0"),
        ({"faces": "nowhere"}, "nowhere: no such folder"),
        ({"method": "sorcery"}, "sorcery"),
        ({"kernels": 0}, "kernels 0"),
        ({"centre": "left"}, "centre .left.: expected box or mass"),
        ({"noise": -1}, "noise -1"),
        ({"noise": float("nan")}, "noise nan"),
        ({"sizes": "13:15:1"}, "sizes"),
    ],
)
def test_bad_words(options, words):
    with pytest.raises(InputError, match=words):
        measure(**{"method": "blurred", "faces": "1", **options})
