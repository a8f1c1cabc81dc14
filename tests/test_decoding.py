"""A photograph comes back with its colours, depth and transparency, or a word says what is missing."""

import io
import struct
import zlib

import hostile
import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from umsn.files import InputError
from umsn.photos.photographs import opened, save

RANDOM = np.random.default_rng(1)
GREY16 = RANDOM.integers(0, 2**16, (20, 30), dtype=np.uint16)
ALPHA16 = RANDOM.integers(1, 2**16, (20, 30), dtype=np.uint16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def read(folder, content):
    (folder / "a").write_bytes(content)
    return opened(folder / "a")


def with_chunk(png, kind, data):
    return png[:33] + hostile.chunk(kind, data) + png[33:]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_16_bits_becomes_alpha(tmp_path, channels):
    pixels = np.dstack([GREY16] * channels) if channels == 3 else GREY16
    key = int(GREY16[3, 4])
    png = with_chunk(imagecodecs.png_encode(pixels), b"tRNS", struct.pack(">H", key) * channels)
    raster = read(tmp_path, png)
    assert raster.pixels.shape[-1] == channels + 1 and raster.bits == 16
    assert ((raster.pixels[..., -1] == 0) == (GREY16 == key)).all()
    assert (raster.pixels[..., 0] == GREY16).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_white_is_zero_beside_alpha_inverts_brightness_alone(tmp_path, kind):
    most = np.iinfo(kind).max
    grey, alpha = (GREY16 & most).astype(kind), (ALPHA16 & most).astype(kind)
    content = hostile.tiff(
        np.dstack([grey, alpha]), photometric="miniswhite", extrasamples=["unassalpha"], planarconfig="contig"
    )
    raster = read(tmp_path, content)
    assert (raster.pixels[..., 0] == most - grey).all() and (raster.pixels[..., 1] == alpha).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colours_that_were_multiplied_by_alpha_are_divided_again(tmp_path, kind):
    most = np.iinfo(kind).max
    colour = (RANDOM.random((20, 30, 3)) * most).astype(kind)
    alpha = (np.full((20, 30), 0.8) * most).astype(kind)
    multiplied = np.rint(colour.astype(float) * alpha[..., None] / most).astype(kind)
    content = hostile.tiff(np.dstack([multiplied, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    raster = read(tmp_path, content)
    assert (raster.pixels[..., 3] == alpha).all()
    assert np.abs(raster.pixels[..., :3].astype(int) - colour).max() <= 1


def test_lab_becomes_srgb_without_its_profile(tmp_path):
    rgb = Image.fromarray(hostile.FACE)
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    buffer = io.BytesIO()
    lab.save(buffer, "TIFF", icc_profile=LAB)
    raster = read(tmp_path, buffer.getvalue())
    assert raster.profile is None
    assert np.abs(raster.pixels.astype(int) - hostile.FACE).mean() < 3


def test_a_profile_that_no_png_can_hold_is_left_out_with_a_word(tmp_path):
    large = SRGB[:16] + b"RGB " + SRGB[20:] + RANDOM.bytes(2**20)
    buffer = io.BytesIO()
    Image.fromarray(hostile.FACE).save(buffer, "TIFF", icc_profile=large)
    for content, word in (
        (buffer.getvalue(), "larger than 1 MiB"),
        (with_chunk(hostile.files()["a.png"], b"iCCP", b"x\0\0" + zlib.compress(large)), "profile"),
    ):
        raster = read(tmp_path, content)
        assert raster.profile is None and word in raster.dropped[0]
        save(tmp_path / "b.png", raster)
        assert opened(tmp_path / "b.png").dropped == ()
        Image.open(tmp_path / "b.png").load()


@pytest.mark.parametrize("profile", [LAB, SRGB[:16] + b"CMYK" + SRGB[20:]])
def test_a_profile_of_another_kind_is_left_out_with_a_word(tmp_path, profile):
    buffer = io.BytesIO()
    Image.fromarray(hostile.FACE).save(buffer, "PNG", icc_profile=profile)
    assert "another kind" in read(tmp_path, buffer.getvalue()).dropped[0]


@pytest.mark.parametrize("exif", [bytes(range(20)), b"II", b"", b"II*\0\xff\xff\xff\xff"])
@pytest.mark.parametrize("name", ["a.png", "deep.png"])
def test_broken_exif_leaves_a_good_picture(tmp_path, name, exif, capfd):
    raster = read(tmp_path, with_chunk(hostile.files()[name], b"eXIf", exif))
    assert (raster.pixels == hostile.FACE.astype(raster.pixels.dtype) * (257 if raster.bits == 16 else 1)).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [np.complex64, np.complex128, np.int16, np.int8])
def test_what_is_no_brightness_is_refused(tmp_path, kind):
    with pytest.raises(InputError, match="expected"):
        read(tmp_path, hostile.tiff(hostile.FACE[..., 0].astype(kind)))


@pytest.mark.parametrize("value", [(3, 1, 5), (4, 1, 5), (3, 2, (1, 2)), (5, 1, (1, 2)), (11, 1, 1.0)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_profile_of_a_wrong_type_does_not_spoil_the_picture(tmp_path, value, kind):
    code, count, number = value
    content = hostile.tiff(hostile.FACE.astype(kind), photometric="rgb", extratags=[(34675, code, count, number, True)])
    raster = read(tmp_path, content)
    assert raster.profile is None and (raster.pixels == hostile.FACE).all()


def test_a_broken_tiff_says_nothing_before_our_line(tmp_path, capfd):
    for seed in range(40):
        for name in ("lzw.tif", "deep.tif", "fax.tif"):
            try:
                read(tmp_path, hostile.spoilt(hostile.files()[name], seed))
            except InputError as error:
                assert "\n" not in str(error)
    assert capfd.readouterr() == ("", "")


def test_no_program_is_started(tmp_path, monkeypatch):
    """An image in PostScript, whatever it is called, would have Pillow start Ghostscript."""
    from umsn.data import datasets

    monkeypatch.setattr("subprocess.Popen", None)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\nshowpage\n"
    for suffix in ("png", "jpg", "tif"):
        (tmp_path / f"a.{suffix}").write_bytes(eps)
        with pytest.raises(InputError, match="not an image"):
            opened(tmp_path / f"a.{suffix}")
        with pytest.raises(InputError, match="not an image"):
            datasets.load(tmp_path, layout="folder")
        (tmp_path / f"a.{suffix}").unlink()
