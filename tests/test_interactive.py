"""Sliders do what they say: live ones compute, strips hold every frame and what moves them."""

import base64
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from umsn.faces import Face
from umsn.pages import interactive
from umsn.pages.interactive import LIMIT, SCRIPT, classes, kernel_picture, live, shake, strip


def face(size=48):
    rows = torch.linspace(0, 1, size)
    photo = torch.stack(
        [rows.expand(size, size), rows[:, None].expand(size, size), (rows * 9).sin().abs().expand(size, size)]
    )
    return Face(photo, torch.zeros(size, size, dtype=torch.uint8))


class Strip(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.figure, self.pictures = {}, []
        self.feed(page.data)

    def handle_starttag(self, tag, attributes):
        if tag == "figure":
            self.figure = dict(attributes)
        if tag == "img":
            self.pictures.append(dict(attributes))


def decoded(source):
    return Image.open(BytesIO(base64.b64decode(source.partition("base64,")[2])))


def pixels(image):
    return np.asarray(Image.open(BytesIO(image.value)).convert("RGB")).astype(int)


def test_a_strip_holds_every_frame_side_by_side():
    flat = [torch.full((3, 32, 40), level) for level in (0.2, 0.5, 0.9)]
    pictures = {"blurred": flat, "kernel": [picture[0] for picture in flat]}
    words = {"values": ["13 px", "15 px", "17 px"], "label": "kernel size", "notes": ["a", "b", "c"]}
    page = Strip(strip(pictures, alt='A "face"', start=1, **words))
    assert page.figure["class"] == "strip"
    assert page.figure["data-values"].split("|") == ["13 px", "15 px", "17 px"]
    assert (page.figure["data-start"], page.figure["data-notes"]) == ("1", "a|b|c")
    assert [picture["title"] for picture in page.pictures] == ["blurred", "kernel"]
    assert page.pictures[0]["alt"] == 'A "face": blurred'
    whole = decoded(page.pictures[0]["src"])
    assert whole.size == (3 * 40, 32)
    middles = np.asarray(whole.convert("L"))[16, 20::40]
    np.testing.assert_allclose(middles, [51, 128, 230], atol=3)


def test_a_strip_is_small_or_refused():
    generator = torch.Generator().manual_seed(0)
    page = strip({"a": [torch.rand(3, 64, 64, generator=generator)] * 9}, values=range(9), label="n", alt="noise")
    assert sum(len(base64.b64decode(p["src"].partition("base64,")[2])) for p in Strip(page).pictures) <= LIMIT
    with pytest.raises(ValueError, match="60 kB"):
        strip({"a": [torch.rand(3, 256, 256, generator=generator)] * 9}, values=range(9), label="n", alt="noise")


def test_what_does_not_fit_together_is_refused():
    one = torch.zeros(3, 8, 8)
    with pytest.raises(ValueError, match="1 images for 2 positions"):
        strip({"a": [one]}, values=[1, 2], label="n", alt="x")
    with pytest.raises(ValueError, match="several sizes"):
        strip({"a": [one, torch.zeros(3, 9, 9)]}, values=[1, 2], label="n", alt="x")
    with pytest.raises(ValueError, match="1 notes for 2"):
        strip({"a": [one, one]}, values=[1, 2], label="n", alt="x", notes=["only one"])


def test_a_strip_brings_what_moves_it():
    page = strip({"a": [torch.zeros(3, 8, 8)] * 2}, values=[1, 2], label="n", alt="x", notes=["one\nline", "two"])
    assert page.data.endswith(f'</figure>\n<script type="module">\n{SCRIPT.read_text("utf-8")}</script>')
    assert "</script" not in SCRIPT.read_text("utf-8")
    assert Strip(page).figure["data-notes"] == "one\nline|two"


def test_notes_name_the_classes():
    assert classes(torch.tensor([1, 0.25, 0.1239, 0])) == "background 1.000, skin 0.250, parts 0.124, hair 0.000"
    with pytest.raises(ValueError):
        classes([0.5] * 3)


def test_the_same_seed_is_the_same_shake():
    kernel, blurred = shake(face(), 13, seed=4, sigma=0.01)
    again = shake(face(), 13, seed=4, sigma=0.01)
    assert torch.equal(kernel, again[0]) and torch.equal(blurred, again[1])
    assert not torch.equal(blurred, shake(face(), 13, seed=5, sigma=0.01)[1])


def test_a_kernel_is_shown_dark_on_white_and_where_it_is():
    kernel = torch.zeros(3, 3)
    kernel[0, 2] = 1
    shown = kernel_picture(kernel, side=10, reach=5)
    assert shown.shape == (3, 10, 10)
    assert (shown[0] == 0).nonzero().tolist() == [[2, 6], [2, 7], [3, 6], [3, 7]]


def test_a_live_slider_computes_anew():
    asked = []

    def restore(blurred):
        asked.append(blurred.shape)
        return 1 - blurred

    box = live(face(), restore, sizes=(13, 19, 27))
    size, shaken, noise, row, words = box.children
    images = {part.children[1].value: part.children[0] for part in row.children}
    assert list(images) == ["kernel", "blurred", "restored"]
    assert asked == [(1, 3, 48, 48)]
    noise.value = 0.0
    first = {name: image.value for name, image in images.items()}
    size.value = 27
    assert len(asked) == 3
    assert all(images[name].value != first[name] for name in images)
    assert "restored" in words.value and "dB" in words.value
    _, blurred = shake(face(), 27, seed=shaken.value, sigma=0.0)
    assert np.abs(pixels(images["blurred"]) - (blurred.movedim(0, -1) * 255).numpy()).mean() < 3
    assert interactive.live(face(), sizes=(13,)).children[3].children[-1].children[1].value == "blurred"
