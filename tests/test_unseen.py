"""The people that networks are measured on are none that they are trained on; what is asked for is read once."""

import pytest

from umsn.data.chosen import Drawn, Folder, chosen, faces_to_test
from umsn.data.datasets import INNER
from umsn.data.unseen import UNSEEN, unseen_faces
from umsn.files import InputError


def test_unseen_people_are_not_among_the_trained():
    faces = unseen_faces(1, seed=0)
    assert faces.identities.tolist() == [UNSEEN]
    assert INNER.crop(faces.photos).shape == (1, 3, 128, 128)


def test_a_number_is_drawn_and_all_else_a_folder(tmp_path):
    assert chosen("20") == Drawn(20) and str(chosen("20")) == "20"
    found = chosen(tmp_path, layout="folder", limit=3)
    assert found == Folder(tmp_path, "folder", 3) and str(found) == tmp_path.name
    with pytest.raises(InputError, match="²: no such folder"):
        chosen("²", layout="folder")
    faces, window = faces_to_test(Drawn(1), seed=1)
    assert len(faces) == 1 and window == INNER


@pytest.mark.parametrize("words", ["", " ", "0", "9" * 30, "1000001"])
def test_what_nobody_can_want_is_refused(words):
    with pytest.raises(InputError, match="expected a folder, or a number"):
        chosen(words)


@pytest.mark.parametrize("how", [{"layout": "nothing"}, {"limit": 0}, {"limit": -1}])
def test_a_layout_or_limit_that_is_none_is_refused(how):
    with pytest.raises(InputError, match="expected"):
        chosen("somewhere", **how)
