import torch

from umsn.faces import (
    CLASS_OF_LABEL,
    CLASSES,
    HELEN_OF_CELEBAMASK,
    LABELS,
    MIRRORED_LABEL,
    Face,
    K,
    Window,
    masks_of,
    mirrored,
)

LABELLED = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_every_label_has_a_class_and_every_class_a_label():
    assert len(LABELS) == len(CLASS_OF_LABEL) == len(MIRRORED_LABEL) == 11
    assert set(CLASS_OF_LABEL) == set(range(K)) and len(CLASSES) == K
    assert set(HELEN_OF_CELEBAMASK) <= set(range(11)) and len(HELEN_OF_CELEBAMASK) == 19


def test_parts_are_what_the_paper_lists():
    parts = {name for name, c in zip(LABELS, CLASS_OF_LABEL, strict=True) if CLASSES[c] == "parts"}
    expected = {"left brow", "right brow", "left eye", "right eye", "nose", "upper lip", "lower lip", "inner mouth"}
    assert parts == expected


def test_masks_are_one_hot_in_class_order():
    masks = masks_of(LABELLED)
    assert masks.shape == (K, 5, 7)
    assert torch.equal(masks.sum(0), torch.ones(5, 7))
    assert torch.equal(masks.argmax(0), torch.tensor(CLASS_OF_LABEL)[LABELLED.long()])


def test_a_mirror_twice_is_no_mirror_and_sides_change_once():
    face = Face(torch.rand(3, 5, 7), LABELLED)
    once = mirrored(face)
    twice = mirrored(once)
    assert torch.equal(twice.photo, face.photo) and torch.equal(twice.labels, face.labels)
    assert (once.labels == 3).sum() == (face.labels == 2).sum() > 0


def test_a_window_is_rows_then_columns():
    image = torch.arange(20).reshape(4, 5)
    assert Window(1, 2, 2, 3).crop(image).tolist() == [[7, 8, 9], [12, 13, 14]]
