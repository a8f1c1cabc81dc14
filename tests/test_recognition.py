"""Laws of face descriptors and of Top-K; independent ways to the same numbers where there are any."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from skimage.transform import AffineTransform, SimilarityTransform, warp

from umsn import cli, recognition
from umsn.data import synthetic
from umsn.experiments.verify import verify
from umsn.faces import Window
from umsn.files import InputError, read_json, write_json
from umsn.recognition import OnnxEmbedder, VGGFace, d_vgg, each_in_turn, ranks, read_vgg_face, top_k
from umsn.recognition.vgg import INDEX

THIN = (4, 4, 6, 6, 8)  # channels of a VGG-Face small enough for a test


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- Top-K -----------------------------------------------------------------------------------------------------------


def test_top_k_counts_by_hand():
    gallery, gallery_ids = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([7, 8, 8, 9])
    probes, probe_ids = torch.tensor([[0.1], [0.1], [0.1]]), torch.tensor([7, 8, 9])
    assert ranks(probes, probe_ids, gallery, gallery_ids).tolist() == [1, 2, 4]
    assert top_k(probes, probe_ids, gallery, gallery_ids, (1, 3, 5)) == pytest.approx({1: 1 / 3, 3: 2 / 3, 5: 1})


def test_ranks_agree_with_sorting():
    probes, gallery = noise(40, 5, seed=1), noise(90, 5, seed=2)
    probe_ids, gallery_ids = torch.arange(40) % 10, torch.arange(90) % 10
    order = np.linalg.norm(probes.numpy()[:, None] - gallery.numpy(), axis=2).argsort(axis=1)
    expected = (gallery_ids.numpy()[order] == probe_ids.numpy()[:, None]).argmax(axis=1) + 1
    assert ranks(probes, probe_ids, gallery, gallery_ids).tolist() == expected.tolist()


def test_a_probe_never_meets_its_own_source():
    gallery, ids = noise(12, 4), torch.arange(12) % 3
    sources = torch.arange(12)
    with_itself = ranks(gallery, ids, gallery, ids)
    without = ranks(gallery, ids, gallery, ids, probe_sources=sources, gallery_sources=sources)
    assert (with_itself == 1).all() and without.max() > 1
    for i in range(12):
        kept = sources != i
        assert without[i] == ranks(gallery[i : i + 1], ids[i : i + 1], gallery[kept], ids[kept])[0]


def test_a_tie_is_no_success():
    gallery, ids = torch.zeros(3, 2), torch.tensor([0, 1, 2])
    assert top_k(torch.zeros(1, 2), torch.tensor([1]), gallery, ids, (1, 3)) == {1: 0.0, 3: 1.0}


def test_each_in_turn_is_the_protocol_ten_times():
    embeddings, ids = noise(20, 6), torch.arange(20) // 4
    found = each_in_turn(embeddings, ids)
    probes = torch.arange(20) % 4 == 2  # the third photograph of everyone
    assert found[probes].equal(ranks(embeddings[probes], ids[probes], embeddings[~probes], ids[~probes]))
    with pytest.raises(InputError, match="equally many"):
        each_in_turn(embeddings[1:], ids[1:])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probes": torch.zeros(2, 5)}, "were expected"),
        ({"probe_ids": torch.tensor([0])}, "one identity an image"),
        ({"probe_ids": torch.tensor([0, 9])}, "identity 9"),
        ({"gallery": torch.full((3, 4), torch.nan)}, "not finite"),
        ({"probe_sources": torch.tensor([0, 1])}, "only one side"),
    ],
)
def test_ranks_refuse(change, said):
    good = {
        "probes": torch.zeros(2, 4),
        "probe_ids": torch.tensor([0, 1]),
        "gallery": torch.ones(3, 4),
        "gallery_ids": torch.tensor([0, 1, 2]),
    }
    with pytest.raises(InputError, match=said):
        ranks(**good | change)


# --- our own descriptor ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people():
    """Eight people that the shipped descriptor has not seen, four photographs each."""
    return synthetic.faces(32, seed=90210, size=64, margin=8, shots_per_identity=4, workers=1)


def framed(faces):
    return Window(8, 8, 64, 64).crop(faces.photos).float() / 255


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 80)])
def test_shapes_and_ranges(size):
    ours = recognition.shipped_descriptor()
    image = noise(2, 3, *size)
    features, embedding = ours.features(image), ours.embed(image)
    assert features.shape == (2, 16, *size) and features.min() >= 0
    assert embedding.shape == (2, 64)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    assert ours.pool4(image).shape == (2, 96, size[0] // 16, size[1] // 16)


def test_a_batch_is_its_images():
    ours, image = recognition.shipped_descriptor(), noise(3, 3, 80, 80)
    torch.testing.assert_close(ours.embed(image), torch.cat([ours.embed(i[None]) for i in image]), atol=1e-5, rtol=0)


def test_features_lead_back_to_the_image():
    ours, image = recognition.shipped_descriptor(), noise(1, 3, 32, 32).requires_grad_()
    ours.features(image).pow(2).mean().backward()
    assert image.grad.abs().max() > 0
    assert all(p.grad is None and not p.requires_grad for p in ours.parameters())


def test_shipped_features_have_unit_size(people):
    size = recognition.shipped_descriptor().features(framed(people)).pow(2).mean()
    assert 0.7 < size < 1.4  # of 1 over the faces it learnt from


def test_shipped_descriptor_tells_unseen_people_apart(people):
    found = each_in_turn(recognition.shipped_descriptor().embed(framed(people)), people.identities)
    pixels = each_in_turn(torch.nn.functional.avg_pool2d(framed(people), 8).flatten(1), people.identities)
    assert (found == 1).float().mean() >= 0.8  # chance 0.12; a hundred people are measured where the model card says so
    assert (found == 1).float().mean() > (pixels == 1).float().mean()


def test_training_repeats_bit_for_bit(people):
    first, history = recognition.train_descriptor(people, seed=3, steps=3, batch=8, margin=8)
    state = torch.random.get_rng_state()
    again, _ = recognition.train_descriptor(people, seed=3, steps=3, batch=8, margin=8)
    other, _ = recognition.train_descriptor(people, seed=4, steps=3, batch=8, margin=8)
    assert state.equal(torch.random.get_rng_state())
    for name, tensor in first.state_dict().items():
        assert tensor.equal(again.state_dict()[name]), name
    assert not first.summary.weight.equal(other.summary.weight)
    assert [h["step"] for h in history] == [1, 2, 3]


def test_training_learns_and_scales_its_features(people):
    ours, history = recognition.train_descriptor(people, seed=0, steps=40, batch=16, margin=8)
    assert np.mean([h["loss"] for h in history[-5:]]) < 0.8 * np.mean([h["loss"] for h in history[:5]])
    assert ours.features(framed(people)).pow(2).mean() == pytest.approx(1, rel=0.3)  # framed: without the margins


def test_training_needs_people(people):
    for faces in (replace(people, identities=None), replace(people, identities=torch.zeros(32, dtype=torch.int64))):
        with pytest.raises(InputError, match="identities"):
            recognition.train_descriptor(faces, seed=0, steps=1)


# --- VGG-Face --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thin():
    """VGG-Face's architecture, thin, with random weights under VGG-Face's own names."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VGGFace(THIN)
    return {name.removeprefix("layers."): tensor for name, tensor in network.state_dict().items()}


def numbered(named, prefix=""):
    number = {name: index for index, name in INDEX.items()}
    return {f"{prefix}{number[key.split('.')[0]]}.{key.split('.')[1]}": t for key, t in named.items()}


LAYOUTS = {
    "named": lambda named: named,
    "underscored": lambda named: {f"features.conv_{k[4:]}": t for k, t in named.items()},
    "sequential": numbered,
    "torchvision": lambda named: numbered(named, "features.") | {"classifier.0.weight": torch.zeros(2, 2)},
    "wrapped": lambda named: {"state_dict": numbered(named, "module.features."), "epoch": 3},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_one_network(thin, layout, tmp_path):
    torch.save(LAYOUTS[layout](thin), tmp_path / "vgg.pth")
    save_file(thin, tmp_path / "vgg.safetensors")
    image = noise(2, 3, 64, 48)
    found, named = (read_vgg_face(tmp_path / f"vgg.{e}", widths=THIN) for e in ("pth", "safetensors"))
    assert found.pool5(image).equal(named.pool5(image)) and named.pool5(image).shape == (2, 8, 2, 1)
    assert found.features(image).equal(named.features(image)) and named.features(image).shape == (2, 4, 64, 48)
    assert found.pool5(image).abs().max() > 0


def test_layers_are_where_torchvision_has_them(thin, tmp_path):
    save_file(thin, tmp_path / "vgg.safetensors")
    ours = read_vgg_face(tmp_path / "vgg.safetensors", widths=THIN)
    layers, x = [], 255 * noise(1, 3, 64, 64) - torch.tensor([129.1863, 104.7624, 93.5940]).view(3, 1, 1)
    for name in ours.layers:
        if name.endswith("_1") and name != "conv1_1":
            layers.append(torch.nn.MaxPool2d(2))
        layers += [ours.layers[name], torch.nn.ReLU()]
    sequential = torch.nn.Sequential(*layers, torch.nn.MaxPool2d(2))
    assert [i for i, layer in enumerate(sequential) if isinstance(layer, torch.nn.Conv2d)] == list(INDEX)
    torch.testing.assert_close(sequential(x), ours.pool5(noise(1, 3, 64, 64)))
    torch.testing.assert_close(sequential[:4](x), ours.features(noise(1, 3, 64, 64)))


def test_bgr_is_rgb_with_the_first_filters_reversed(thin, tmp_path):
    save_file(thin, tmp_path / "rgb.safetensors")
    first = {"conv1_1.weight": thin["conv1_1.weight"].flip(1).contiguous()}
    save_file(thin | first, tmp_path / "bgr.safetensors")
    image = noise(1, 3, 32, 32)
    rgb = read_vgg_face(tmp_path / "rgb.safetensors", widths=THIN)
    bgr = read_vgg_face(tmp_path / "bgr.safetensors", widths=THIN, bgr=True)
    torch.testing.assert_close(rgb.pool5(image), bgr.pool5(image))


def test_unusable_weights_are_named(thin, tmp_path):
    path = tmp_path / "vgg.pth"
    for content, said in [
        ({k: v for k, v in thin.items() if not k.startswith("conv4_2")}, r"no conv4_2.weight \(2 of 26"),
        (thin | {"conv1_1.weight": torch.zeros(4, 1, 3, 3)}, r"conv1_1.weight is \(4, 1, 3, 3\)"),
        ([1, 2], "a state dict was expected"),
        ({"state_dict": {"bn.weight": torch.zeros(2)}}, "26 of 26"),
        ({"conv1_1.weight": print}, "cannot be read"),  # code, not numbers
        (print, "cannot be read"),
    ]:
        torch.save(content, path)
        with pytest.raises(InputError, match=said):
            read_vgg_face(path, widths=THIN)
    path.write_bytes(b"\x80\x02broken")
    for bad, said in [(path, "cannot be read"), (tmp_path / "none.pth", "no such file")]:
        with pytest.raises(InputError, match=said):
            read_vgg_face(bad, widths=THIN)
    (tmp_path / "VGG_FACE.t7").write_bytes(b"t7")
    with pytest.raises(InputError, match="Torch 7"):
        read_vgg_face(tmp_path / "VGG_FACE.t7")


def test_d_vgg_is_a_distance():
    deep = VGGFace(THIN).requires_grad_(False).pool5
    a, b, c = (noise(3, 3, 64, 64, seed=s) for s in (1, 2, 3))
    assert d_vgg(a, a, deep).equal(torch.zeros(3))
    assert d_vgg(a, b, deep).equal(d_vgg(b, a, deep)) and (d_vgg(a, b, deep) > 0).all()
    assert (d_vgg(a, c, deep) <= d_vgg(a, b, deep) + d_vgg(b, c, deep)).all()
    elements = deep(a)[0].numel()
    torch.testing.assert_close(d_vgg(a, b, deep).pow(2) / elements, d_vgg(a, b, deep, "mse"))
    with pytest.raises(InputError, match="equal shapes"):
        d_vgg(a, b[:1], deep)


def test_stand_in_distance_grows_with_blur(people):
    ours, sharp = recognition.shipped_descriptor(), framed(people)
    soft = [torch.nn.functional.avg_pool2d(sharp, k, 1, k // 2, count_include_pad=False) for k in (3, 7)]
    little, much = (d_vgg(image, sharp, ours.pool4) for image in soft)
    assert (little > 0).all() and (little < much).all()


# --- alignment and ONNX ----------------------------------------------------------------------------------------------


def test_alignment_agrees_with_scikit_image():
    image, points = noise(1, 3, 90, 110), torch.tensor(recognition.alignment.TEMPLATE)[None] * 0.6 + 12
    points = points + 3 * noise(1, 5, 2)
    ours = recognition.aligned(image, recognition.by_points(points, 56), 56)
    target = np.array(recognition.alignment.TEMPLATE) / 2
    oracle = SimilarityTransform.from_estimate(target, points[0].numpy().astype(float))
    expected = warp(image[0].movedim(0, -1).numpy(), oracle, output_shape=(56, 56), order=1)
    assert np.abs(ours[0].movedim(0, -1).numpy() - expected)[2:-2, 2:-2].max() < 1e-3


def test_a_box_of_its_own_size_is_a_crop():
    image, box = noise(2, 3, 60, 70), Window(5, 9, 32, 32)
    placing = recognition.by_box([box, box], 32)
    torch.testing.assert_close(recognition.aligned(image, placing, 32), box.crop(image), atol=1e-5, rtol=0)
    stretched = recognition.by_box([Window(4, 6, 20, 40)], 10)[0]
    assert np.allclose(
        AffineTransform(np.vstack([stretched, [0, 0, 1]]))([[-0.5, -0.5], [9.5, 9.5]]), [[5.5, 3.5], [45.5, 23.5]]
    )


def test_five_points_of_a_drawn_face():
    face = synthetic.draw(3, 0, seed=1, size=128, yaw=0.0, pitch=0.0, roll=0.0, expression="neutral", occlusion=None)
    left, right, nose, west, east = recognition.five_points(face.labels).tolist()
    assert left[0] < nose[0] < right[0] and west[0] < nose[0] < east[0]
    assert max(left[1], right[1]) < nose[1] < min(west[1], east[1])
    with pytest.raises(InputError, match="labels without nose"):
        recognition.five_points(torch.zeros(8, 8, dtype=torch.uint8))


def quarters(folder, side):
    """A network in ONNX: the mean colour of each quarter of an image of ``side`` pixels, batch of one only."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    number, make = onnx.TensorProto.FLOAT, onnx.helper
    half = [side // 2] * 2
    nodes = [
        make.make_node("AveragePool", ["x"], ["p"], kernel_shape=half, strides=half),
        make.make_node("Flatten", ["p"], ["y"]),
    ]
    ends = [make.make_tensor_value_info(n, number, s) for n, s in (("x", [1, 3, side, side]), ("y", [1, 12]))]
    graph = make.make_graph(nodes, "quarters", ends[:1], ends[1:])
    path = folder / "quarters.onnx"
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return quarters(tmp_path_factory.mktemp("onnx"), 16)


def test_onnx_embedder(judge):
    images, mean, std = noise(3, 3, 16, 16), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    found = OnnxEmbedder(judge, 16, mean, std).embed(images)
    centred = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    expected = torch.nn.functional.avg_pool2d(centred, 8)
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected.flatten(1)))
    reversed_ = OnnxEmbedder(judge, 16, mean, std, bgr=True).embed(images)
    torch.testing.assert_close(reversed_, torch.nn.functional.normalize(expected.flip(1).flatten(1)))
    boxes = [Window(2, 3, 16, 16)] * 2
    larger = noise(2, 3, 30, 30)
    cut = OnnxEmbedder(judge, 16).embed(larger, boxes=boxes)
    torch.testing.assert_close(cut, OnnxEmbedder(judge, 16).embed(boxes[0].crop(larger)), atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="one way"):
        OnnxEmbedder(judge, 16).embed(larger, boxes=boxes, points=torch.zeros(2, 5, 2))


def test_onnx_embedder_refuses(judge, tmp_path, monkeypatch):
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    for path, size, said in [
        (tmp_path / "none.onnx", 16, "no such file"),
        (judge, 112, "112, 112"),
        (tmp_path / "bad.onnx", 16, "ONNX"),
    ]:
        with pytest.raises(InputError, match=said):
            OnnxEmbedder(path, size)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match="not installed"):
        OnnxEmbedder(judge, 16)


def test_evaluate_measures_the_distance_in_a_descriptor_and_verify_asks_for_it(tmp_path, capsys):
    judge, path = quarters(tmp_path, 112), tmp_path / "judged.json"
    asked = ["--method", "blurred,umsn", "--faces", "1", "--sizes", "13,27", "--kernels", "1", "--json", str(path)]
    assert cli.main(["evaluate", *asked, "--descriptor", str(judge)]) == 0
    assert "distance" in capsys.readouterr().out
    record = read_json(path)
    rows = pd.DataFrame(record["rows"]).pivot(index="size", columns="method", values="distance")
    assert (rows > 0).all(axis=None)
    assert rows.loc[27, "blurred"] > rows.loc[13, "blurred"]
    assert record["provenance"]["judge"] == "quarters"
    assert verify(path, descriptor=judge)[:4] == (4, 4, 0.0, True)
    with pytest.raises(InputError, match="was judged by quarters; say where it is with --descriptor"):
        verify(path)
    record["rows"]["distance"][0] += 0.2
    write_json(path, record)
    assert "summary" in verify(path, descriptor=judge).why
    assert cli.main(["evaluate", "--descriptor", str(tmp_path / "no.onnx")]) == 2
    assert "no.onnx" in capsys.readouterr().err
