"""One look for every figure, and one way to keep it: a small SVG with its words inside, the same bytes every time."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from umsn import places
from umsn.data.datasets.loading import PALETTE
from umsn.faces import CLASSES
from umsn.files import whole
from umsn.pages.figures.numbers import drawn as numbers_of

#: The colour of each class, everywhere: grey, vermilion, blue and green (Okabe & Ito), each at least 3:1 on white.
CLASS_COLOURS = dict(zip(CLASSES, ("#767676", "#D55E00", "#0072B2", "#009E73"), strict=True))

#: The largest figure that is kept, in bytes.
LIMIT = 300_000

Picture = Tensor | NDArray[np.float32]


def style() -> AbstractContextManager[None]:
    """The look of the book's figures, from ``figures/paper.mplstyle``: ``with style(): ...``. Raises InputError."""
    return pyplot.style.context(["default", places.path_of(places.MARK)])


def grid(
    rows: Sequence[Sequence[Picture | None]],
    *,
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    scale: float | None = None,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Images in rows and columns, of one size or not.

    rows: of images (3, H, W), RGB in [0, 1], or (H, W) of any range; None leaves a place empty
    column_titles, row_titles: words above the columns and left of the rows
    notes: for each row short lines under its images
    scale: screen pixels per image pixel at full size; by default a row is 560 pixels wide, and no image enlarged
        more than twice
    cmap: the colours of images (H, W)
    limits: the two values at the ends of these colours; by default the image's own

    Raises ValueError for an image of another shape.
    """
    arrays = [[None if p is None else _array(p) for p in row] for row in rows]
    columns = max(len(row) for row in arrays)
    sides = [array.shape[:2] for row in arrays for array in row if array is not None]
    height, width = (max(side[i] for side in sides) for i in (0, 1))
    centred = {"ha": "center", "va": "center"}
    with style():
        gap, top, left, below = 0.05, 0.26 * bool(column_titles), 0.26 * bool(row_titles), 0.2 * bool(notes)
        per_pixel = scale or min(2.0, 96 * (5.8 - left - gap * (columns - 1)) / (columns * width))
        w, h = width * per_pixel / 96, height * per_pixel / 96
        total = left + columns * w + (columns - 1) * gap, top + len(rows) * (h + below + gap) - gap
        figure = Figure(figsize=total, layout="none")
        for i, row in enumerate(arrays):
            for j, array in enumerate(row):
                bottom = total[1] - top - (i + 1) * (h + below) - i * gap + below
                place = (left + j * (w + gap), bottom, w, h)
                axes = figure.add_axes([x / total[k % 2] for k, x in enumerate(place)])
                axes.set_axis_off()
                middle = (place[0] + w / 2) / total[0]
                if i == 0 and j < len(column_titles):
                    figure.text(middle, 1 - 0.6 * top / total[1], column_titles[j], **centred)
                if j == 0 and i < len(row_titles):
                    beside = 0.45 * left / total[0]
                    figure.text(beside, (bottom + h / 2) / total[1], row_titles[i], rotation=90, **centred)
                if i < len(notes) and j < len(notes[i]):
                    under = (bottom - 0.55 * below) / total[1]
                    figure.text(middle, under, notes[i][j], size=8.5, color="#333333", **centred)
                if array is not None:
                    show(axes, array, cmap=cmap, limits=limits)
    return figure


def show(axes: Axes, picture: Picture, *, cmap: str = "gray", limits: tuple[float, float] | None = None) -> None:
    """Draw one image, (3, H, W) in [0, 1] or (H, W), its pixels kept as they are."""
    low, high = limits or (None, None)
    axes.imshow(_array(picture), cmap=cmap, vmin=low, vmax=high, interpolation="none")
    axes.set_axis_off()


def _array(picture: Picture) -> NDArray[np.float32]:
    if isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[-1] == 3 and picture.shape[0] != 3:
        return picture
    array = torch.as_tensor(picture).detach().float().cpu()
    if array.ndim == 3 and array.shape[0] == 3:
        return array.clamp(0, 1).movedim(0, -1).numpy()
    if array.ndim != 2:
        raise ValueError(f"an image of shape {tuple(array.shape)}: (3, H, W) or (H, W) was expected")
    return array.numpy()


def colour_masks(masks: Tensor) -> Tensor:
    """Class maps as an image: (K, H, W) in [0, 1] -> (3, H, W), each class in its colour, mixed by the maps."""
    colours = torch.tensor([to_rgb(colour) for colour in CLASS_COLOURS.values()], device=masks.device)
    return torch.einsum("kc,khw->chw", colours, masks.float()).clamp(0, 1)


def colour_labels(labels: Tensor) -> Tensor:
    """Helen's labels as an image, in the colours of `umsn.data.datasets.save`: (H, W) -> (3, H, W) in [0, 1]."""
    return torch.tensor(PALETTE)[labels.long()].movedim(-1, 0) / 255


def decibels(values: Iterable[float]) -> list[str]:
    """PSNRs as notes under images: "21.3 dB"."""
    return [f"{value:.1f} dB" for value in values]


def save(figure: Figure, name: str, *, alt: str) -> Path:
    """Keep the figure as <name>.svg in `umsn.places.figures`, whole, and close it; ``alt`` says in words what it shows.

    The words become the file's title. Photographs inside are stored as WebP. Nothing in the file
    depends on the day or the machine. The numbers of its lines (`figures.numbers`) go beside it, as CSV. Raises
    ValueError for a poor ``alt``, a name with other than small letters, digits and hyphens, and a file over 300 kB.
    """
    if len(alt.split()) < 4:
        raise ValueError(f"figure {name!r}: alt={alt!r} does not say what the figure shows")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"figure name {name!r}: small letters, digits and single hyphens were expected")
    path = places.figures() / f"{name}.svg"
    drawn = BytesIO()
    with style():
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(drawn, format="svg", metadata={**nothing, "Title": " ".join(alt.split())})
    pyplot.close(figure)
    numbers = numbers_of(figure)
    text = re.sub(r'<image xlink:href="data:image/png;base64,([^"]+)"([^>]*)>', _smaller, drawn.getvalue().decode())
    if len(text.encode()) > LIMIT:
        raise ValueError(
            f"{path.name}: {len(text.encode()) / 1000:.0f} kB, over {LIMIT // 1000}: fewer or smaller images"
        )
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
    if numbers.empty:
        path.with_suffix(".csv").unlink(missing_ok=True)
        return path
    with whole(path.with_suffix(".csv")) as beside:
        numbers.to_csv(beside, index=False, float_format="%.6g", lineterminator="\n")
    return path


def _smaller(found: re.Match[str]) -> str:
    """An embedded image as a PNG with sharp pixels or, if it has more colours than a palette, as a smooth WebP."""
    content, attributes = found.groups()
    picture = Image.open(BytesIO(base64.b64decode(content)))
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    if picture.convert("RGB").getcolors(256):
        kind, data = "png", _bytes(picture, "png", optimize=True)
    else:
        kind, data = "webp", _bytes(picture, "webp", quality=90, method=6)
        attributes = re.sub(r"image-rendering:[^;\"]+;?", "", attributes)
    return f'<image xlink:href="data:image/{kind};base64,{base64.b64encode(data).decode()}"{attributes}>'


def _bytes(picture: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
