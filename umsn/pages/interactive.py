"""Blur under the reader's hand: `live` asks a kernel, `strip` works in the published page without one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from IPython.display import HTML
from PIL import Image
from torch import Tensor

from umsn.data import blur
from umsn.evaluation.metrics import psnr
from umsn.faces import CLASSES, Face

#: The most that the images of one strip may weigh in the page, in bytes.
LIMIT = 60_000

#: What moves a strip; the pages load the same file.
SCRIPT = Path(__file__).with_name("strip.js")

Restore = Callable[[Tensor], Tensor]  #: blurred (1, 3, H, W) in [0, 1] -> restored, likewise


def kernel_picture(kernel: Tensor, *, side: int, reach: int | None = None) -> Tensor:
    """A kernel to look at: (k, k) -> (3, side, side), dark on white, on a support of ``reach`` (default k) pixels."""
    margin = ((reach or kernel.shape[-1]) - kernel.shape[-1]) // 2
    shown = 1 - F.pad(kernel / kernel.max(), (margin,) * 4)
    return F.interpolate(shown[None, None], size=(side, side), mode="nearest-exact")[0].expand(3, -1, -1)


def shake(face: Face, size: int, *, seed: int, sigma: float = 0.0) -> tuple[Tensor, Tensor]:
    """One camera shake of a face: kernel (size, size) and blurred (3, H, W), the same for the same seed (Sec. III)."""
    generator = torch.Generator().manual_seed(seed)
    kernel = blur.kernels([size], generator)[0]
    return kernel, blur.add_noise(blur.blur(face.photo[None], kernel[None]), sigma, generator)[0]


def live(
    face: Face,
    restore: Restore | None = None,
    *,
    sizes: Sequence[int] = blur.SIZES,
    seed: int = 0,
    sigma: float = 0.01,
    scale: int = 2,
) -> widgets.Widget:
    """Sliders for the kernel's size, another shake and the noise; kernel, blurred and, with ``restore``, restored face.

    face: sharp
    restore: takes blurred (1, 3, H, W) in [0, 1] to restored; by default nothing is restored
    sizes: of the kernels to choose from, odd, in pixels
    seed: of the first shake, 0 to 99
    sigma: of the first noise, 0 to 0.05
    scale: screen pixels per image pixel

    It computes anew at every change, so it needs a running kernel: for a published page see `strip`.
    """
    size = widgets.SelectionSlider(
        options=sizes, value=sizes[len(sizes) // 2], description="kernel", continuous_update=False
    )
    shaken = widgets.IntSlider(seed, 0, 99, description="shake", continuous_update=False)
    noise = widgets.FloatSlider(sigma, min=0, max=0.05, step=0.005, description="noise", readout_format=".3f")
    noise.continuous_update = False
    names = ["kernel", "blurred", "restored"][: 2 if restore is None else 3]
    images = {name: _image(face.photo, scale) for name in names}
    words = widgets.HTML()

    def draw(_: object = None) -> None:
        kernel, blurred = shake(face, size.value, seed=shaken.value, sigma=noise.value)
        pictures = {"blurred": blurred}
        if restore is not None:
            with torch.inference_mode():
                pictures["restored"] = restore(blurred[None])[0].clamp(0, 1)
        words.value = _scores(pictures, face.photo)
        pictures["kernel"] = kernel_picture(kernel, side=face.photo.shape[-1], reach=max(sizes))
        for name, picture in pictures.items():
            images[name].value = _encoded(picture, quality=90)

    for slider in (size, shaken, noise):
        slider.observe(draw, names="value")
    draw()
    return widgets.VBox([size, shaken, noise, _row(images), words])


def strip(
    pictures: Mapping[str, Sequence[Tensor]],
    *,
    values: Sequence[object],
    label: str,
    alt: str,
    notes: Sequence[str] = (),
    caption: str = "",
    start: int = 0,
    scale: float = 1.5,
) -> HTML:
    """A slider moved by ``umsn/pages/strip.js``, in the page and in JupyterLab; without scripts all positions are seen.

    pictures: title -> one (3, H, W) or (H, W) in [0, 1] for each of ``values``, all of one size
    values: the positions of the slider, as they are shown
    label: what the slider changes
    alt: what the images show, in words
    notes: something about each position, as its PSNR, on a line or more
    caption: stands under all
    start: the position that is seen first, counted from 0
    scale: screen pixels per image pixel

    The frames of a title become one WebP in the page. Raises ValueError when the numbers differ, or when 60 kB do not
    hold the images.
    """
    _check(pictures, values)
    if notes and len(notes) != len(values):
        raise ValueError(f"{len(notes)} notes for {len(values)} positions")
    whole = {name: torch.cat([_rgb(p) for p in sequence], dim=-1) for name, sequence in pictures.items()}
    for quality in (90, 80, 70, 55, 40):
        data = {name: _encoded(picture, quality=quality) for name, picture in whole.items()}
        if sum(map(len, data.values())) <= LIMIT:
            break
    else:
        raise ValueError(f"a strip of {len(values)} positions over {LIMIT // 1000} kB: fewer or smaller images, please")
    attributes = {"label": label, "values": "|".join(map(str, values)), "start": start, "scale": scale}
    if notes:
        attributes["notes"] = "|".join(notes)
    lines = ['<figure class="strip" ' + " ".join(f'data-{k}="{escape(str(v))}"' for k, v in attributes.items()) + ">"]
    for name, content in data.items():
        source = f"data:image/webp;base64,{base64.b64encode(content).decode()}"
        lines.append(f'<img src="{source}" alt="{escape(f"{alt}: {name}")}" title="{escape(name)}">')
    lines += [f"<figcaption>{escape(caption)}</figcaption>"] if caption else []
    lines += ["</figure>", f'<script type="module">\n{SCRIPT.read_text("utf-8")}</script>']
    return HTML("\n".join(lines))


def classes(values: Iterable[float]) -> str:
    """K numbers, one a class, as the words of a note: "background 0.912, skin 0.871, parts 0.954, hair 0.899"."""
    return ", ".join(f"{name} {float(value):.3f}" for name, value in zip(CLASSES, values, strict=True))


def _check(pictures: Mapping[str, Sequence[Tensor]], values: Sequence[object]) -> None:
    for name, sequence in pictures.items():
        if len(sequence) != len(values):
            raise ValueError(f"{name!r}: {len(sequence)} images for {len(values)} positions")
        if len({tuple(picture.shape) for picture in sequence}) > 1:
            raise ValueError(f"{name!r}: images of several sizes; one was expected")


def _image(picture: Tensor, scale: int) -> widgets.Image:
    return widgets.Image(value=_encoded(_rgb(picture), quality=90), format="webp", width=scale * picture.shape[-1])


def _row(images: Mapping[str, widgets.Image]) -> widgets.Widget:
    parts = [widgets.VBox([image, widgets.Label(name)]) for name, image in images.items()]
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))


def _scores(pictures: Mapping[str, Tensor], sharp: Tensor) -> str:
    scores = {name: float(psnr(picture[None], sharp[None])) for name, picture in pictures.items()}
    return "PSNR: " + ", ".join(f"{name} {score:.1f} dB" for name, score in scores.items())


def _rgb(picture: Tensor) -> Tensor:
    picture = picture.detach().float().cpu().clamp(0, 1)
    return picture.expand(3, -1, -1) if picture.ndim == 2 else picture


def _encoded(picture: Tensor, *, quality: int) -> bytes:
    """(3, H, W) in [0, 1] as WebP."""
    buffer = BytesIO()
    pixels = (picture * 255).round().byte().movedim(0, -1).contiguous().numpy()
    Image.fromarray(pixels).save(buffer, "webp", quality=quality, method=6)
    return buffer.getvalue()
