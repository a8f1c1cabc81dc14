"""The recogniser that nobody here trained: its weights' format, its networks, and what of its files is refused.

Weights are random ones that the tests write; tests with the real ones need `make recogniser` and are skipped without.
"""

import json

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch import nn

from umsn import recognition
from umsn.data import synthetic
from umsn.experiments import recognition as experiment
from umsn.experiments.edition import opened
from umsn.experiments.verify import verify
from umsn.files import InputError, write_json
from umsn.recognition import independent, landmarks, manifest, resnet
from umsn.recognition.alignment import ARCFACE, DLIB, aligned, by_points


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def write(path, tensors, quantised=(), cut=None):
    """A manifest of tensors (numpy arrays), those ``quantised`` as bytes, which end before ``cut``; what it lists."""
    listed, raw = [], b""
    for name, values in tensors.items():
        entry = {"name": name, "shape": list(values.shape), "dtype": "float32"}
        if name in quantised:
            low, scale = float(values.min()), float(np.ptp(values)) / 255 or 1.0
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            raw += np.rint((values - low) / scale).astype(np.uint8).tobytes()
        else:
            raw += values.astype("<f4").tobytes()
        listed.append(entry)
    groups = [{"weights": listed, "paths": ["weights.bin"]}]
    path.write_text(json.dumps(groups))
    path.with_name("weights.bin").write_bytes(raw[:cut])
    return groups


def published(network, name_of):
    """A network's parameters under the names and in the axes of the package, as numpy arrays."""
    found = {}
    for name, tensor in network.state_dict().items():
        deep = name_of(name).endswith("depthwise_filter")
        axes = ((2, 3, 0, 1) if deep else (2, 3, 1, 0)) if tensor.ndim == 4 else tuple(range(tensor.ndim))[::-1]
        found[name_of(name)] = tensor.permute(axes).numpy()
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package's folder with random weights, the filters of the descriptor as bytes."""
    folder = tmp_path_factory.mktemp("face-api")
    (folder / "model").mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nets = {"recognition": resnet.ResNetDescriptor(), "landmark_68": landmarks.LandmarkNet()}
    for name, network in nets.items():
        tensors = published(network, (resnet if name == "recognition" else landmarks)._published)
        path = folder / f"model/face_{name}_model-weights_manifest.json"
        groups = write(path, tensors, quantised={n for n in tensors if n.endswith("filters")})
        groups[0]["paths"] = [f"face_{name}_model.bin"]
        path.with_name("weights.bin").rename(path.with_name(groups[0]["paths"][0]))
        path.write_text(json.dumps(groups))
    return folder


# --- the format ------------------------------------------------------------------------------------------------------


def test_bytes_become_scale_times_q_plus_min(tmp_path):
    listed = [
        {"name": "a", "shape": [2, 2], "dtype": "float32"},
        {"name": "b", "shape": [3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -3}},
    ]
    raw = np.arange(4, dtype="<f4").tobytes() + bytes([0, 7, 255])
    (tmp_path / "one.bin").write_bytes(raw[:5])  # a tensor may go on in the next file
    (tmp_path / "two.bin").write_bytes(raw[5:])
    (tmp_path / "m.json").write_text(json.dumps([{"weights": listed, "paths": ["one.bin", "two.bin"]}]))
    found = manifest.read_manifest(tmp_path / "m.json")
    assert found["a"].equal(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    assert found["b"].equal(torch.tensor([-3.0, 0.5, 124.5]))


def test_what_was_quantised_is_near_what_it_was(tmp_path):
    values = noise(5, 40, seed=1).numpy()
    write(tmp_path / "m.json", {"w": values}, quantised={"w"})
    found = manifest.read_manifest(tmp_path / "m.json")["w"].numpy()
    assert 0 < np.abs(found - values).max() <= np.ptp(values) / 255 / 2 * 1.001


class Tiny(nn.Module):
    """One of each kind of weights."""

    def __init__(self):
        super().__init__()
        self.full, self.own, self.last = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 2, 3, groups=2), nn.Linear(3, 4)


NAMES = {
    **{f"full.{a}": f"full/{b}" for a, b in (("weight", "filters"), ("bias", "bias"))},
    **{f"own.{a}": f"own/{b}" for a, b in (("weight", "depthwise_filter"), ("bias", "bias"))},
    **{f"last.{a}": f"last/{b}" for a, b in (("weight", "weights"), ("bias", "bias"))},
}


def tensors():
    shapes = {"full/filters": (3, 3, 2, 3), "full/bias": (3,), "own/depthwise_filter": (3, 3, 2, 1), "own/bias": (2,)}
    shapes |= {"last/weights": (3, 4), "last/bias": (4,), "beyond": (2,)}
    return {name: noise(*shape, seed=i).numpy() for i, (name, shape) in enumerate(shapes.items())}


def test_weights_mean_what_tensorflow_means_by_them(tmp_path):
    """Sums written out, in the axes of the file."""
    write(tmp_path / "m.json", tensors())
    network, given, x = Tiny(), tensors(), noise(1, 2, 3, 3, seed=9)
    manifest.fill(network, tmp_path / "m.json", NAMES)
    image, there = x[0].movedim(0, -1).numpy(), {n: torch.from_numpy(v) for n, v in given.items()}
    full = np.einsum("hwi,hwio->o", image, given["full/filters"]) + given["full/bias"]
    own = np.einsum("hwi,hwio->i", image, given["own/depthwise_filter"]) + given["own/bias"]
    np.testing.assert_allclose(network.full(x).flatten(), full, rtol=1e-5)
    np.testing.assert_allclose(network.own(x).flatten(), own, rtol=1e-5)
    torch.testing.assert_close(network.last(x[0, 0]), x[0, 0] @ there["last/weights"] + there["last/bias"])
    assert not network.training and not any(p.requires_grad for p in network.parameters())


def without(name):
    return lambda groups: groups[0].update(weights=[w for w in groups[0]["weights"] if w["name"] != name])


def first(**change):
    return lambda groups: groups[0]["weights"][0].update(change)


def huge(scale):
    return {"quantization": {"dtype": "uint8", "scale": scale, "min": 0}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda groups: groups.clear(), "the manifest a list of 0: expected a list of 1"),
        (lambda groups: groups[0].pop("paths"), "no 'paths'"),
        (lambda groups: groups[0].update(paths=["../weights.bin"]), "beside the manifest"),
        (lambda groups: groups[0].update(paths=["/etc/passwd"]), "beside the manifest"),
        (lambda groups: groups[0].update(paths=["no\0name"]), "null|zero|character"),
        (lambda groups: groups[0].update(paths=["other.bin"]), "no such file"),
        (lambda groups: groups[0]["weights"].append(groups[0]["weights"][0]), "were expected, as the manifest lists"),
        (lambda groups: groups.append(groups[0]), "full/filters twice"),
        (first(dtype="int32"), "expected float32"),
        (first(shape=[3, 3, 2, -3]), "expected a whole number"),
        (first(shape=[2**24] * 8), "as the manifest lists"),
        (first(shape=[54]), r"full/filters is \(54,\); \(3, 2, 3, 3\) was expected"),
        (first(quantization={"dtype": "uint16", "scale": 1, "min": 0}), "expected uint8"),
        (first(quantization={"dtype": "uint8", "scale": "1", "min": 0}), "expected a finite number"),
        (lambda groups: (first(**huge(1e308))(groups), without("own/bias")(groups)), "as the manifest lists"),
        (lambda groups: groups[0]["weights"][-1].update(name="another"), None),  # what is beyond may be anything
        (lambda groups: groups[0]["weights"][1].update(name="another"), r"no full/bias \(1 of 6"),
    ],
)
def test_manifests_that_cannot_be_used_take_one_line(tmp_path, change, said):
    groups = write(tmp_path / "m.json", tensors())
    change(groups)
    (tmp_path / "m.json").write_text(json.dumps(groups))
    if said is None:
        manifest.fill(Tiny(), tmp_path / "m.json", NAMES)
        return
    with pytest.raises(InputError, match=said) as refused:
        manifest.fill(Tiny(), tmp_path / "m.json", NAMES)
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)


def test_bytes_that_cannot_be_used_take_one_line(tmp_path):
    path = tmp_path / "m.json"
    for cut, said in ((-1, "bytes of weights"), (0, "empty file")):
        write(path, tensors(), cut=cut)
        with pytest.raises(InputError, match=said):
            manifest.read_manifest(path)
    write(path, tensors())
    path.with_name("weights.bin").write_bytes(path.with_name("weights.bin").read_bytes() + b"more")
    with pytest.raises(InputError, match="bytes of weights"):
        manifest.read_manifest(path)
    for value in (np.nan, np.inf):
        write(path, tensors() | {"own/bias": np.array([1.0, value])})
        with pytest.raises(InputError, match="own/bias holds numbers that are not finite"):
            manifest.read_manifest(path)
    write(path, tensors(), quantised={"beyond"})
    path.write_text(path.read_text().replace('"scale": ', '"scale": 1e300, "was": '))
    with pytest.raises(InputError, match="beyond holds numbers that are not finite"):
        manifest.read_manifest(path)
    for text in ("{", "[" * 100_000, "\0", '[{"weights": NaN}]', "null", '{"weights": []}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"m\.json"):
            manifest.read_manifest(path)


# --- the networks ----------------------------------------------------------------------------------------------------


def test_shapes_repetition_and_batches(package):
    judge = recognition.judge(package)
    faces, chips = noise(3, 3, 112, 112), noise(3, 3, 150, 150, seed=1)
    points, vectors = judge.landmarks(faces), judge.network(chips)
    assert points.shape == (3, 68, 2) and vectors.shape == (3, 128)
    assert sum(p.numel() for p in judge.network.parameters()) == 5_614_592  # as many as the package's manifest lists
    assert sum(p.numel() for p in judge.landmarks.parameters()) == 356_840
    again = recognition.judge(package / "model" / independent.LANDMARKS)
    assert again.network(chips).equal(vectors) and again.landmarks(faces).equal(points) and again.digest == judge.digest
    torch.testing.assert_close(torch.cat([judge.network(c[None]) for c in chips]), vectors, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat([judge.landmarks(f[None]) for f in faces]), points, atol=1e-4, rtol=1e-4)


def test_a_unit_that_halves_fills_up_with_zeros():
    """8 x 8 becomes 3 x 3 by the convolutions and 4 x 4 by the shortcut: the last row and column are the shortcut's."""
    unit, x = resnet.Unit(2, 4, halves=True).requires_grad_(False), noise(1, 2, 8, 8)
    y, shortcut = unit(x), nn.functional.avg_pool2d(x, 2)
    assert y.shape == (1, 4, 4, 4)
    assert y[:, :2, 3].equal(shortcut[:, :, 3]) and y[:, :2, :, 3].equal(shortcut[..., 3])
    assert not y[:, 2:, 3].any() and not y[:, 2:, :, 3].any()
    inner = unit.conv2(unit.conv1(x).relu())
    torch.testing.assert_close(y[:, :2, :3, :3], (inner[:, :2] + shortcut[..., :3, :3]).relu())


@pytest.mark.parametrize(("tap", "step"), [((0, 0), 0), ((1, 1), 1), ((2, 2), 2)])
def test_a_block_pads_below_and_right_only(tap, step):
    """With one weight of one at ``tap`` the first convolution takes every second pixel, from ``step`` on."""
    block, x = landmarks.DenseBlock(3, 1).requires_grad_(False), noise(1, 3, 8, 8)
    for parameter in block.parameters():
        parameter.zero_()
    block.convs[0].weight[0, 0, tap[0], tap[1]] = 1
    expected = nn.functional.pad(x[:, :1], (0, 2, 0, 2))[:, :, step : step + 8 : 2, step : step + 8 : 2]
    assert block(x).equal(expected)


class Brightest(landmarks.LandmarkNet):
    """Landmarks at the brightest pixel of each colour."""

    def forward(self, face):
        places = face.flatten(2).argmax(dim=2)  # (B, 3)
        found = torch.stack([places % 112, places // 112], dim=2)
        return ((found + 0.5) / 112)[:, [0, 1, 2] * 22 + [0, 1]]


@pytest.mark.parametrize("shape", [(128, 128), (96, 160), (150, 90)])
def test_landmarks_come_back_in_pixels_of_the_image(shape):
    spots = torch.tensor([[20.0, 30.0], [60.0, 25.0], [45.0, 70.0]])  # x, y
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in shape), indexing="ij")
    blobs = [(-((columns - x) ** 2 + (rows - y) ** 2) / 20).exp() for x, y in spots.tolist()]
    found = Brightest().find(torch.stack(blobs)[None].repeat(2, 1, 1, 1))
    assert found.shape == (2, 68, 2)
    torch.testing.assert_close(found[1, :3], spots, atol=0.6, rtol=0)


def test_a_face_that_lies_in_the_frame_stays():
    points = torch.tensor([DLIB.points])
    placing = by_points(points, 150, DLIB)
    torch.testing.assert_close(placing[0], torch.eye(2, 3), atol=1e-4, rtol=0)
    chip = noise(1, 3, 150, 150)
    torch.testing.assert_close(aligned(chip, placing, 150), chip, atol=1e-2, rtol=0)
    assert by_points(points, 112).equal(by_points(points, 112, ARCFACE))


def test_given_points_align_at_any_size(package):
    """A face twice as large, with its points, is the same face; so is one that is moved."""
    judge, small = recognition.judge(package), synthetic.draw(3, 0, seed=1, size=128)
    image, points = small.photo[None].float() / 255, recognition.five_points(small.labels)[None]
    found = judge.embed(image, points=points)
    moved = judge.embed(nn.functional.pad(image, (7, 0, 12, 0)), points=points + torch.tensor([7.0, 12.0]))
    large = nn.functional.interpolate(image, scale_factor=2, mode="bilinear")
    scaled = judge.embed(large, points=2 * points + 0.5)
    other = judge.embed(noise(1, 3, 128, 128), points=points)
    assert (found - moved).norm() < 0.3 * (found - other).norm()
    assert (found - scaled).norm() < 0.3 * (found - other).norm()


def test_landmarks_on_one_spot_give_finite_numbers(package):
    assert recognition.judge(package).embed(torch.zeros(2, 3, 64, 80)).isfinite().all()


# --- as judge --------------------------------------------------------------------------------------------------------


def test_the_folder_or_a_manifest_is_a_judge(package, tmp_path):
    for path in (package, package / "model", package / "model" / independent.DESCRIPTOR):
        edition = opened({"recipe": "smoke", "descriptor": str(path), "runs": str(tmp_path)})
        assert edition.judge_in_words == "dlib's ResNet"
    assert isinstance(edition.judge(), recognition.DlibRecogniser)
    assert isinstance(recognition.judge(), recognition.Descriptor) and recognition.judge_in_words() == "our descriptor"
    assert recognition.judge_in_words("somebody/mobile.onnx") == "mobile"


def test_a_judge_that_is_not_there_takes_one_line(package, tmp_path):
    half = tmp_path / independent.DESCRIPTOR
    half.write_text("[]")
    for path, said in [
        (tmp_path / "none", "no such file"),
        (tmp_path, "face_landmark_68"),
        (half, "face_landmark_68"),
        (tmp_path / "some.json", "face_landmark_68"),
        ("no\0name", "no such file"),
    ]:
        with pytest.raises(InputError, match=said) as refused:
            opened({"recipe": "smoke", "descriptor": str(path)})
        assert "\n" not in str(refused.value)
    (tmp_path / independent.LANDMARKS).write_bytes((package / "model" / independent.LANDMARKS).read_bytes())
    with pytest.raises(InputError, match=r"face_landmark_68_model\.bin: no such file"):
        recognition.judge(tmp_path)


def test_a_judged_record_asks_for_its_judge(tmp_path):
    made = {"asked": {"measure": "recognition", "people": 2}, "weights": {"umsn": "0", "descriptor": "1"}}
    write_json(tmp_path / "r.json", {"provenance": {**made, "judge": "dlib's ResNet"}})
    with pytest.raises(InputError, match="was judged by dlib's ResNet; say where it is with --descriptor"):
        verify(tmp_path / "r.json")


def test_rivals_are_named():
    assert experiment._rivals("xu,cho") == ["cho", "xu"] and experiment._rivals("") == []
    assert {"cho", "krishnan", "pan", "shan", "xu", "zhong"} <= set(experiment._rivals("all"))
    with pytest.raises(InputError, match="rival 'blurred': expected all"):
        experiment._rivals("xu,blurred")


# --- with the real weights -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(home):
    if not (home / "recogniser").is_dir():
        pytest.skip("no recogniser/: `make recogniser` fetches it")
    return recognition.judge(home / "recogniser")


def test_landmarks_of_the_astronaut(real):
    """Eyes, tip of the nose and corners of the mouth, as they were seen in the photograph by eye."""
    photo = torch.from_numpy(astronaut()[20:260, 110:350].copy()).movedim(-1, 0)[None].float() / 255
    found = landmarks.five_of(real.landmarks.find(photo))[0]
    seen = torch.tensor([[92.0, 80.0], [136.0, 82.0], [113.0, 104.0], [95.0, 122.0], [131.0, 122.0]])
    assert (found - seen).norm(dim=1).max() < 5


def test_one_person_is_nearer_than_others(real):
    """Mirrored, moved by pixels, and in other photographs of the same people."""
    people = synthetic.faces(8, seed=5, size=128, margin=8, shots_per_identity=2, workers=1)
    photos = people.photos.float() / 255
    sharp, moved = photos[:, :, 8:-8, 8:-8], photos[:, :, 4:-12, 11:-5]
    found = real.embed(sharp)
    apart = torch.cdist(found, found)
    others = apart[people.identities[:, None] != people.identities]
    for same in (real.embed(sharp.flip(-1)), real.embed(moved)):
        assert (found - same).norm(dim=1).mean() < 0.6 * others.mean()
    again = apart[::2, 1::2].diagonal()
    assert again.mean() < 0.8 * others.mean()
