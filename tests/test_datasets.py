"""What is written is read back to the byte; what is broken is named. Every image is made for the test."""

import numpy as np
import pytest
import torch
from PIL import Image

from umsn.data import datasets
from umsn.faces import HELEN_OF_CELEBAMASK, FaceSet, Window
from umsn.files import InputError


@pytest.fixture
def faces():
    random = torch.Generator().manual_seed(1)
    return FaceSet(
        ["id0001-00", "id0001-01", "id0000-00"],
        torch.randint(0, 256, (3, 3, 20, 24), generator=random, dtype=torch.uint8),
        torch.randint(0, 11, (3, 20, 24), generator=random, dtype=torch.uint8),
        torch.tensor([1, 1, 0]),
    )


def picture(path, shape=(20, 24, 3), top=256, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, top, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_save_then_load(faces, tmp_path):
    datasets.save(faces, tmp_path)
    again = datasets.load(tmp_path, layout="synthetic")
    order = [2, 0, 1]  # sorted by name
    assert again.names == [faces.names[i] for i in order]
    assert torch.equal(again.photos, faces.photos[order])
    assert torch.equal(again.labels, faces.labels[order])
    assert again.identities.tolist() == [0, 1, 1]
    assert Image.open(tmp_path / "labels" / "id0001-00.png").mode == "P"
    assert not list(tmp_path.rglob(".*"))


def test_unlabelled_faces_are_a_plain_folder(faces, tmp_path):
    datasets.save(FaceSet(faces.names, faces.photos, None), tmp_path)
    again = datasets.load(tmp_path / "images", layout="folder")
    assert again.labels is None
    assert again.identities is None
    assert torch.equal(again.photos, faces.photos[[2, 0, 1]])


def test_window_and_limit(faces, tmp_path):
    datasets.save(faces, tmp_path)
    window = Window(2, 3, 16, 8)
    again = datasets.load(tmp_path, layout="synthetic", window=window, limit=2)
    assert torch.equal(again.photos, window.crop(faces.photos[[2, 0]]))
    assert torch.equal(again.labels, window.crop(faces.labels[[2, 0]]))


def test_labelmap_maps_celebamask_ids_in_any_lossless_or_photo_format(tmp_path):
    photo = picture(tmp_path / "images" / "2.webp")
    picture(tmp_path / "images" / "10.jpg")
    ids = picture(tmp_path / "labels" / "2.png", (20, 24), 19)
    picture(tmp_path / "labels" / "10.png", (20, 24), 19)
    faces = datasets.load(tmp_path)
    assert faces.names == ["10", "2"]
    assert faces.photos.shape == (2, 3, 20, 24)
    assert faces.photos[1].float().mean() == pytest.approx(photo.mean(), abs=8)  # lossy
    assert np.array_equal(faces.labels[1], np.array(HELEN_OF_CELEBAMASK)[ids])


def test_folder_turns_pictures_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert datasets.load(tmp_path, layout="folder").photos.shape == (1, 3, 24, 20)


def test_celebamask_hq(tmp_path):
    for number in (2, 10, 2001):
        (tmp_path / "CelebA-HQ-img").mkdir(exist_ok=True)
        flat = np.full((64, 64, 3), number % 200, np.uint8)
        Image.fromarray(flat).save(tmp_path / "CelebA-HQ-img" / f"{number}.jpg", quality=100)
        masks = tmp_path / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        masks.mkdir(parents=True, exist_ok=True)
        skin, hair = np.zeros((2, 32, 32), np.uint8)
        skin[8:24, 8:24] = 255
        hair[:12] = 255
        Image.fromarray(skin).save(masks / f"{number:05d}_skin.png")
        Image.fromarray(hair).save(masks / f"{number:05d}_hair.png")
    faces = datasets.load(tmp_path, layout="celebamask-hq")
    assert faces.names == ["2", "10", "2001"]
    assert faces.photos.shape == (3, 3, 160, 160)
    expected = torch.zeros(160, 160, dtype=torch.uint8)
    expected[40:120, 40:120] = 1
    expected[:60] = 10  # hair comes after skin and covers it
    assert (faces.labels == expected).all()


def helen_face(folder, name, skin=(30, 70, 40, 80), shape=(120, 140)):
    photo = np.zeros((*shape, 3), np.uint8)
    top, bottom, left, right = skin
    photo[top:bottom, left:right] = 200
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / name).mkdir(parents=True)
    Image.fromarray(photo).save(folder / "images" / f"{name}.jpg", quality=100)
    soft = np.zeros((11, *shape), np.uint8)
    soft[1, top:bottom, left:right] = 255
    soft[0] = 255 - soft[1]
    for i in range(11):
        Image.fromarray(soft[i]).save(folder / "labels" / name / f"{name}_lbl{i:02d}.png")


def test_helen_frames_the_skin(tmp_path):
    helen_face(tmp_path, "100_1")
    helen_face(tmp_path, "200_1", skin=(0, 80, 0, 60))  # its square leaves the photograph
    (tmp_path / "testing.txt").write_text("1 , 200_1\n")
    faces = datasets.load(tmp_path, layout="helen")
    assert faces.photos.shape == (2, 3, 160, 160)
    rows, columns = (faces.labels[0] == 1).nonzero().T
    scale = 128 / 44  # the box is 44 pixels high, a tenth longer than the skin, and fills the middle 128
    assert rows.min() == pytest.approx(16, abs=1.5)
    assert len(rows) == pytest.approx((40 * scale) ** 2, rel=0.05)
    assert columns.float().mean() == pytest.approx(79.5, abs=1)
    assert datasets.load(tmp_path, layout="helen", split="testing").names == ["200_1"]
    (tmp_path / "tuning.txt").write_text("1, 300_1\n")
    with pytest.raises(InputError, match=r"300_1\.jpg"):
        datasets.load(tmp_path, layout="helen", split="tuning")


def test_hash_follows_the_data_alone(faces):
    names, photos, labels = faces.names, faces.photos, faces.labels
    assert datasets.data_hash(faces) == datasets.data_hash(FaceSet(["a", "b", "c"], photos, labels))
    assert len(datasets.data_hash(faces)) == 12
    other = photos.clone()
    other[0, 0, 0, 0] ^= 1
    variants = (faces, FaceSet(names, other, labels), FaceSet(names, photos, None))
    assert len({datasets.data_hash(variant) for variant in variants}) == 3


def broken(folder, case):
    images, labels = folder / "images", folder / "labels"
    picture(images / "a.png")
    picture(labels / "a.png", (20, 24), 19)
    if case == "no label":
        picture(images / "b.png")
    elif case == "label size":
        picture(labels / "a.png", (20, 25), 19)
    elif case == "label value":
        picture(labels / "a.png", (20, 24), 200)
    elif case == "label colour":
        picture(labels / "a.png")
    elif case == "text":
        (images / "a.png").write_text("no image")
    elif case == "cut":
        (images / "a.png").write_bytes((images / "a.png").read_bytes()[:200])
    elif case == "sizes":
        picture(images / "b.png", (21, 24, 3))
        picture(labels / "b.png", (21, 24), 19)
    elif case == "twins":
        picture(images / "a.jpg")
    elif case == "empty":
        for file in images.iterdir():
            file.unlink()
    elif case == "identities":
        (folder / "identities.csv").write_text("name,identity\nb,1\n")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no label", r"b\.png: no label map"),
        ("label size", r"a\.png: its label map is 20x25, the photograph 20x24"),
        ("label value", r"a\.png: a label 1\d\d; expected ids 0\.\.18"),
        ("label colour", r"a\.png: a label map of mode RGB"),
        ("text", r"a\.png: not an image"),
        ("cut", r"a\.png: a broken image"),
        ("sizes", r"b\.png: 21x24 pixels; expected 20x24 as a"),
        ("twins", r"a\.png: a\.jpg has the same name"),
        ("empty", "no images"),
        ("identities", r"identities\.csv: no identity"),
    ],
)
def test_errors_name_the_file(tmp_path, case, words):
    broken(tmp_path, case)
    with pytest.raises(InputError, match=words) as error:
        datasets.load(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_are_checked(faces, tmp_path):
    datasets.save(faces, tmp_path)
    with pytest.raises(InputError, match="layout 'zip': expected one of folder"):
        datasets.load(tmp_path, layout="zip")
    with pytest.raises(InputError, match="no such folder"):
        datasets.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="do not hold the window"):
        datasets.load(tmp_path, layout="synthetic", window=Window(2, 3, 16, 22))
    with pytest.raises(InputError, match="only the layout helen"):
        datasets.load(tmp_path, layout="synthetic", split="testing")


def published(folder, faces=("10", "2"), sizes=(13, 27), kernels=(1, 2)):
    for face in faces:
        picture(folder / "set" / "final_gt" / f"{face}.png", (20, 20, 3))
        for size in sizes:
            for kernel in kernels:
                file = folder / "set" / "final_blur" / f"{face}_ker{kernel:02d}_blur_k{size}.png"
                picture(file, (20, 20, 3), seed=size + kernel)


def test_pairs_find_their_sharp_pictures(tmp_path):
    published(tmp_path)
    pairs = datasets.load_pairs(tmp_path)
    assert pairs.faces.names == ["10", "2"]
    assert [pair[:3] for pair in pairs.pairs[:5]] == [(0, 13, 1), (0, 13, 2), (0, 27, 1), (0, 27, 2), (1, 13, 1)]
    blurred = pairs.blurred(pairs.pairs[3:4])
    expected = np.random.default_rng(29).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert np.array_equal((blurred[0] * 255).round().movedim(0, -1), expected)
    assert len(datasets.load_pairs(tmp_path / "set" / "final_gt", limit=1).pairs) == 4


def test_broken_pairs_are_named(tmp_path):
    with pytest.raises(InputError, match=r"0 folders named \*_gt"):
        datasets.load_pairs(tmp_path)
    published(tmp_path)
    blurred = tmp_path / "set" / "final_blur"
    for name, words in (("10_k13", "without its kernel"), ("3_ker01_blur_k13", "no sharp image final_gt/3")):
        picture(blurred / f"{name}.png", (20, 20, 3))
        with pytest.raises(InputError, match=words):
            datasets.load_pairs(tmp_path)
        (blurred / f"{name}.png").unlink()
    picture(tmp_path / "set" / "final_gt" / "4.png", (20, 20, 3))
    with pytest.raises(InputError, match="4: no blurred images"):
        datasets.load_pairs(tmp_path)
    (tmp_path / "set" / "final_gt" / "4.png").unlink()
    picture(blurred / "2_ker01_blur_k15.png", (20, 21, 3))
    pairs = datasets.load_pairs(tmp_path)
    with pytest.raises(InputError, match=r"k15\.png: 20x21 pixels; expected 20x20"):
        pairs.blurred(pairs.pairs)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_label_maps_are_refused(tmp_path, suffix):
    """A JPEG between labels makes others: an eighth of them, at the borders."""
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "labels" / f"a.{suffix}", (20, 24), 11)
    with pytest.raises(InputError, match=rf"a\.{suffix}: a label map as lossy"):
        datasets.load(tmp_path, layout="synthetic")


def test_a_jpeg_called_png_is_as_lossy(tmp_path):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "labels" / "a.jpg", (20, 24), 11)
    (tmp_path / "labels/a.jpg").rename(tmp_path / "labels/a.png")
    with pytest.raises(InputError, match="a label map as lossy JPEG"):
        datasets.load(tmp_path, layout="synthetic")


def test_identities_from_a_spreadsheet_are_read(faces, tmp_path):
    """Such programs put a mark before the first name."""
    datasets.save(faces, tmp_path)
    table = tmp_path / "identities.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert datasets.load(tmp_path, layout="synthetic").identities.tolist() == [0, 1, 1]


def test_somebody_elses_files_are_not_replaced(faces, tmp_path):
    photo = picture(tmp_path / "images" / "id0001-00.png")
    with pytest.raises(InputError, match=r"id0001-00\.png: is there already"):
        datasets.save(faces, tmp_path)
    assert (np.asarray(Image.open(tmp_path / "images" / "id0001-00.png")) == photo).all()
    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_faces_may_be_saved_again(faces, tmp_path):
    datasets.save(faces, tmp_path)
    datasets.save(faces, tmp_path)
    assert len(datasets.load(tmp_path, layout="synthetic")) == 3


def test_pictures_that_are_not_read_are_not_passed_over(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    with pytest.raises(InputError, match=r"b\.HEIC: HEIC is not read here"):
        datasets.load(tmp_path, layout="folder")
    picture(tmp_path / "c.jpg")
    (tmp_path / "c.jpg").rename(tmp_path / "b.HEIC")
    assert len(datasets.load(tmp_path, layout="folder")) == 2
