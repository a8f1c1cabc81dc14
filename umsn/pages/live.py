"""What the book's live page is fed: networks, faces, kernels, and strips that answer before anything is started.

The page (`book/live.md`) does the rest in the reader's browser; `book/_static/live-blur.js` blurs as `data.blur` does.
This module needs onnx (pip install "umsn[onnx]"); `doit live` calls it.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pandas as pd
import skimage.data
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor

from umsn.data import blur
from umsn.data.datasets import INNER, MARGIN, WIDE
from umsn.data.unseen import unseen_faces
from umsn.evaluation.metrics import psnr
from umsn.faces import CLASSES, Window
from umsn.files import read_json, whole, write_json
from umsn.networks import onnx_export
from umsn.networks.weights import Pipeline, shipped
from umsn.pages.figures import tables
from umsn.pages.interactive import kernel_picture, strip
from umsn.photos import detection

DRAWN = 3  #: people, whom no training drew
SHAPES = 12  #: shaking hands, each with a kernel of every size
SIGMA = 0.01  #: noise of the strips, and of the page when it opens
STRIPS = ("astronaut", "drawn-1")  #: faces shown before the start
MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured" / "live.json"
SMALLEST = 256  #: numbers of a tensor that is worth storing in 16 bits


class Sitter(NamedTuple):
    """A face that the page offers."""

    name: str  #: of its file
    title: str  #: for people
    photo: Tensor  #: (3, WIDE, WIDE) uint8, RGB: the face and MARGIN pixels around it, so that its blur has no border


def sitters() -> list[Sitter]:
    """The astronaut of scikit-image (NASA, public domain) and synthetic people."""
    photo = torch.from_numpy(skimage.data.astronaut()).movedim(-1, 0).float() / 255
    frame = detection.find_faces(photo)[0]
    more = round(frame.height * MARGIN / INNER.height)
    wide = Window(frame.row - more, frame.column - more, frame.height + 2 * more, frame.width + 2 * more).crop(photo)
    astronaut = F.interpolate(wide[None], (WIDE, WIDE), mode="bicubic", antialias=True)[0].clamp(0, 1)
    found = [Sitter("astronaut", "An astronaut (NASA)", (astronaut * 255).round().byte())]
    drawn = unseen_faces(DRAWN, seed=0).photos
    return found + [Sitter(f"drawn-{n}", f"Synthetic face {n}", photo) for n, photo in enumerate(drawn, start=1)]


def shakes() -> dict[int, Tensor]:
    """Size -> kernels (SHAPES, size, size), float32, sum 1. A shape is one seed, so it is much the same at every size.

    As `umsn.data.blur.kernels` draws them, the middle of the path's bounding box in the middle of the kernel.
    """
    seeds = range(SHAPES)
    drawn = {s: [blur.kernels([s], torch.Generator().manual_seed(seed))[0] for seed in seeds] for s in blur.SIZES}
    return {size: torch.stack(kernels) for size, kernels in drawn.items()}


def write(folder: str | PathLike[str], networks: Pipeline | None = None) -> None:
    """Write model.onnx, kernels.bin, a PNG for each face, strips.html, cost.html and, last, manifest.json.

    kernels.bin holds little-endian float32, size by size, shape by shape, row by row. Takes about half a minute.
    """
    folder, networks = Path(folder), networks or shipped()
    people, kernels = sitters(), shakes()
    model(networks, folder / "model.onnx")
    with whole(folder / "kernels.bin") as beside:
        beside.write_bytes(b"".join(k.numpy().astype("<f4").tobytes() for k in kernels.values()))
    for person in people:
        with whole(folder / f"{person.name}.png") as beside:
            Image.fromarray(person.photo.movedim(0, -1).contiguous().numpy()).save(beside, optimize=True)
    with whole(folder / "strips.html") as beside:
        shown = [strip_of(person, kernels, networks) for person in people if person.name in STRIPS]
        beside.write_text("\n".join(shown) + "\n", encoding="utf-8")
    with whole(folder / "cost.html") as beside:
        beside.write_text(cost() + "\n", encoding="utf-8")
    write_json(folder / "manifest.json", manifest(people, networks, (folder / "model.onnx").stat().st_size))


def manifest(people: list[Sitter], networks: Pipeline, size: int) -> dict[str, Any]:
    """What the page must know to read the other files; ``size`` is the model's, in bytes."""
    return {
        "model": {"file": "model.onnx", "bytes": size, "weights": networks.digest},
        "kernels": {"file": "kernels.bin", "sizes": list(blur.SIZES), "shapes": SHAPES},
        "faces": [{"name": p.name, "title": p.title, "file": f"{p.name}.png"} for p in people],
        "picture": {"side": WIDE, "margin": MARGIN},
        "classes": list(CLASSES),
        "sigma": SIGMA,
    }


def model(networks: Pipeline, path: str | PathLike[str]) -> None:
    """Export S-Net and UMSN (`umsn.networks.onnx_export`), without what only developers read, in half the bytes.

    Weights that 16 bits hold exactly, as those in the package do, are stored so and brought back to 32 bits by the
    file itself: the numbers computed are the same.
    """
    with whole(path) as beside:
        onnx_export.export(networks, beside)
        content = onnx.load(beside)
        del content.metadata_props[:], content.graph.metadata_props[:], content.graph.value_info[:]
        for part in (*content.graph.node, *content.graph.initializer, *content.graph.input, *content.graph.output):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        for tensor in list(content.graph.initializer):
            _halve(content.graph, tensor)
        onnx.save(content, beside)


def _halve(graph: onnx.GraphProto, tensor: TensorProto) -> None:
    """Store a tensor in 16 bits behind a Cast to 32, if it is large and nothing is lost."""
    values = numpy_helper.to_array(tensor)
    if values.dtype != np.float32 or values.size < SMALLEST or (values.astype(np.float16) != values).any():
        return
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
    graph.node.insert(0, helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))


def strip_of(person: Sitter, kernels: dict[int, Tensor], networks: Pipeline) -> str:
    """A figure moved by strip.js: the first shape at every size, the face blurred by it and restored, and the PSNR."""
    photo, generator = person.photo[None].float() / 255, torch.Generator().manual_seed(0)
    sharp, side = INNER.crop(photo), INNER.height
    pictures: dict[str, list[Tensor]] = {"kernel": [], "blurred": [], "restored": []}
    notes = []
    for shapes in kernels.values():
        blurred = blur.add_noise(INNER.crop(blur.blur(photo, shapes[:1])), SIGMA, generator)
        restored = networks(blurred).restored
        pictures["kernel"].append(kernel_picture(shapes[0], side=side, reach=max(kernels)))
        pictures["blurred"].append(blurred[0])
        pictures["restored"].append(restored[0])
        notes.append(f"{psnr(blurred, sharp).item():.1f} dB blurred, {psnr(restored, sharp).item():.1f} dB restored")
    return strip(
        pictures,
        values=[f"{size} pixels" for size in kernels],
        notes=notes,
        label="kernel size",
        start=4,
        scale=1.25,
        alt=f"{person.title}, kernels growing from the left to the right",
        caption=f"{person.title}: one shake at every size, noise {SIGMA}. Made by umsn.pages.live.",
    ).data


def cost(record: Path = MEASURED) -> str:
    """The table of what the page takes, as measured by benchmarks/live.py; a sentence where nobody has measured."""
    if not record.exists():
        return "<p>Nobody has measured this yet.</p>"
    found = read_json(record)
    where = found["provenance"]["platform"]
    fetched = " and ".join(f"{name} {megabytes} MB" for name, megabytes in found["fetched"].items())
    machine = f"{found['browser']}, {where['cpu']}, {where['cores']} cores, {found['provenance']['date'][:10]}"
    caption = f"What the page takes: {machine}. Fetched once: {fetched}"
    return tables.plain(pd.DataFrame(found["rows"]), caption=caption)._repr_html_()
