import io

import pytest
from PIL import Image

from umsn.marks import is_marked, marked


@pytest.fixture
def png():
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_marked_image_is_known_and_is_the_same_image(png):
    found = Image.open(io.BytesIO(marked(png)))
    found.load()
    assert is_marked(marked(png)) and found.size == (9, 7) and found.getpixel((0, 0)) == (255, 0, 0)


def test_nothing_else_is_known(png):
    """An image without the mark, one that was changed, one that another program wrote with our text, and none."""
    ours = marked(png)
    for other in (
        png,
        ours[:-1],
        ours + b"x",
        ours[:50] + b"0" + ours[51:],
        marked(ours)[:33] + png[33:],
        b"",
        b"x" * 200,
    ):
        assert not is_marked(other)
    again = io.BytesIO()
    image = Image.open(io.BytesIO(ours))
    image.save(again, "PNG")
    assert not is_marked(again.getvalue())
