"""Laws of reading and writing: nothing is lost that can be kept, and bad files say what is wrong in one line."""

import io

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps

from umsn.files import InputError
from umsn.photos.photographs import Photograph, read, write

H, W = 20, 30
NOISE = np.random.default_rng(0)
DEEP = NOISE.integers(0, 2**16, (H, W, 4), dtype=np.uint16)
BYTES = NOISE.integers(0, 256, (H, W, 4), dtype=np.uint8)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def planes(photograph: Photograph, most: int) -> np.ndarray:
    """(H, W, C) integers back from a photograph."""
    parts = [photograph.rgb[:1] if photograph.grey else photograph.rgb]
    parts += [] if photograph.alpha is None else [photograph.alpha[None]]
    return (torch.cat(parts) * most).round().long().movedim(0, -1).numpy()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_survives_reading_and_writing(tmp_path, channels, bits):
    """Writing what was read gives the very integers, for every depth and number of channels."""
    most = 2**bits - 1
    pixels = (DEEP if bits == 16 else BYTES)[..., :channels]
    colour = torch.from_numpy(pixels.astype(np.float32) / most).movedim(-1, 0)
    grey = channels < 3
    alpha = colour[-1] if channels in (2, 4) else None
    picture = Photograph(
        colour[:1].repeat(3, 1, 1) if grey else colour[:3], alpha, bits, grey, ICC if not grey else None
    )
    write(tmp_path / "a.png", picture)
    again = read(tmp_path / "a.png")
    assert (again.bits, again.grey, again.alpha is None, again.profile) == (bits, grey, alpha is None, picture.profile)
    assert (planes(again, most) == pixels).all()


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_scanned_tiff_keeps_sixteen_bits(tmp_path, photometric, compression):
    pixels = DEEP[..., :3] if photometric == "rgb" else DEEP[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, compression=compression, iccprofile=ICC)
    photograph = read(tmp_path / "a.tif")
    expected = 65535 - pixels if photometric == "miniswhite" else pixels
    assert (planes(photograph, 65535) == expected.reshape(H, W, -1)).all()
    assert photograph.bits == 16 and photograph.profile == ICC


def test_tiff_stored_plane_by_plane(tmp_path):
    planar = np.moveaxis(DEEP[..., :3], -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planar, photometric="rgb", planarconfig="separate")
    assert (planes(read(tmp_path / "a.tif"), 65535) == DEEP[..., :3]).all()


def test_float_tiff_is_taken_as_it_is(tmp_path):
    values = NOISE.random((H, W, 3), dtype=np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    photograph = read(tmp_path / "a.tif")
    assert photograph.bits == 16
    np.testing.assert_array_equal(photograph.rgb.movedim(0, -1).numpy(), values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["shallow.png", "shallow.jpg", "shallow.tif", "deep.png", "deep.tif"])
def test_exif_orientation_is_undone_as_pillow_does(tmp_path, orientation, kind):
    """Pillow's exif_transpose is the oracle; the deep paths, which Pillow cannot follow, must turn the same way."""
    path = tmp_path / kind
    exif = Image.Exif()
    exif[0x0112] = orientation
    ramp = np.add.outer(np.arange(H) * 5, np.arange(W) * 3).astype(np.uint8)
    ramp[:8, :8] = 255  # one marked corner
    rgb = np.dstack([ramp] * 3)
    plain = Image.fromarray(rgb)
    if kind == "deep.tif":
        tifffile.imwrite(
            path, rgb.astype(np.uint16) * 257, photometric="rgb", extratags=[(0x0112, 3, 1, orientation, True)]
        )
    elif kind == "deep.png":
        import imagecodecs

        with io.BytesIO() as buffer:
            plain.save(buffer, "PNG", exif=exif)
            shallow = buffer.getvalue()
        at = shallow.index(b"eXIf") - 4
        chunk = shallow[at : at + 12 + int.from_bytes(shallow[at : at + 4], "big")]
        png = imagecodecs.png_encode(rgb.astype(np.uint16) * 257)
        path.write_bytes(png[:33] + chunk + png[33:])
    else:
        plain.save(path, exif=exif, quality=100)
    with io.BytesIO() as buffer:
        plain.save(buffer, "PNG", exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    photograph = read(path)
    assert photograph.bits == (16 if "deep" in kind else 8)
    found = photograph.rgb.movedim(0, -1).numpy() * 255
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < (20 if kind.endswith("jpg") else 0.01)


def test_modes_of_eight_bits(tmp_path):
    """Bilevel, palette, palette with transparency, grey with transparency, CMYK: what Pillow says they look like."""
    base = Image.fromarray(BYTES[..., :3])
    see_through = base.quantize(16)
    see_through.info["transparency"] = 3
    keyed = Image.fromarray(BYTES[..., 0])
    cases = {
        "bilevel.png": (base.convert("1"), {}, "L"),
        "palette.png": (base.quantize(16), {}, "RGB"),
        "palette.gif": (base.quantize(16), {}, "RGB"),
        "see_through.png": (see_through, {"transparency": 3}, "RGBA"),
        "keyed.png": (keyed, {"transparency": int(BYTES[0, 0, 0])}, "LA"),
        "inks.tif": (base.convert("CMYK"), {}, "RGB"),
        "whole.bmp": (base, {}, "RGB"),
        "whole.webp": (base.convert("RGBA"), {"lossless": True}, "RGB"),
    }
    for name, (image, options, mode) in cases.items():
        image.save(tmp_path / name, **options)
        photograph = read(tmp_path / name)
        expected = np.asarray(Image.open(tmp_path / name).convert(mode)).reshape(H, W, -1)
        assert (planes(photograph, 255)[..., : expected.shape[-1]] == expected).all(), name
        assert photograph.grey == mode.startswith("L"), name
        assert (photograph.alpha is not None) == mode.endswith("A"), name


def test_only_the_first_frame_is_read(tmp_path):
    frames = [Image.fromarray(np.full((H, W), value, np.uint8)) for value in (50, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (planes(read(tmp_path / "a.gif"), 255) == 50).all()


def bad_files(folder):
    """Files that are no photographs, and a word that the message must hold."""
    with io.BytesIO() as buffer:
        Image.fromarray(BYTES).save(buffer, "PNG")
        png = buffer.getvalue()
    with io.BytesIO() as buffer:
        Image.fromarray(BYTES[..., :3]).save(buffer, "JPEG")
        jpeg = buffer.getvalue()
    header = bytearray(png[:33])
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    flat = bytearray(png)
    flat[16:20] = bytes(4)
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.png": (b"not an image at all\n", "not an image"),
        "cut.png": (png[: len(png) // 2], "broken"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "broken"),
        "header.jpg": (jpeg[:12], ""),
        "huge.png": (bytes(header) + png[33:], ""),
        "flat.png": (bytes(flat), ""),
        "cut.tif": (b"II*\0\x08\0\0\0\x01", ""),
        "camera.dng": (b"II*\0", "DNG is not read"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    (folder / "a_folder.jpg").mkdir()
    words = {name: word for name, (_, word) in contents.items()}
    return words | {"missing.jpg": "no such file", "a_folder.jpg": "folder"}


def test_bad_files_say_what_is_wrong_in_one_line(tmp_path):
    for name, word in bad_files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message and word in message and "\n" not in message, message


@pytest.mark.parametrize("values", [-0.5, 2.0, np.nan])
def test_floats_out_of_range_are_refused(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", np.full((H, W), values, np.float32))
    with pytest.raises(InputError, match="were expected"):
        read(tmp_path / "a.tif")


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr("umsn.photos.photographs.MOST_PIXELS", H * W - 1)
    Image.fromarray(BYTES).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., 0])
    for name in ("a.png", "a.tif"):
        with pytest.raises(InputError, match="too many pixels"):
            read(tmp_path / name)


def test_an_unwritable_folder_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "a.png", Photograph(torch.zeros(3, H, W)))
