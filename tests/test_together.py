"""Independent stages train side by side, and to the very weights that they reach one after the other."""

import pytest
import torch

from umsn.data import synthetic
from umsn.networks import weights
from umsn.recipes import recipe
from umsn.training import stages, together
from umsn.training.stages import Run

ROWS = ("bnet", "maps")


def test_only_neighbours_that_do_not_wait_are_in_one_lot():
    streams = [name for name in stages.STAGES if name.startswith("stream-")]
    found = together.lots((*stages.UP_TO_UMSN, "bnet", "maps"))
    assert found == [["parse-clean"], ["parse-blurry"], streams, ["umsn", "bnet", "maps"]]


def test_what_is_left_of_a_stage(tmp_path):
    run = Run(tmp_path, recipe("smoke"), 0)
    assert together.left(run, "bnet") == 3
    run.checkpoint("bnet").with_suffix(".json").write_text('{"step": 2}')
    assert together.left(run, "bnet") == 1


@pytest.fixture
def one_thread():
    """Sums are rounded otherwise by two threads, so one trains here, as in each process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_side_by_side_gives_the_same_weights(tmp_path, monkeypatch, one_thread):
    faces = synthetic.faces(4, seed=0, size=48, shots_per_identity=1)
    found = []
    for cores, folder in ((1, "after"), (2, "beside")):
        run = Run(tmp_path / folder, recipe("smoke"), 0)
        stages.train(run, faces, stages=("parse-clean", "parse-blurry"), say=None)
        monkeypatch.setattr(together, "WORTH", 1)
        monkeypatch.setattr(together, "cores", lambda cores=cores: cores)
        histories = together.train(run, faces, ROWS)
        found.append([weights.load(run.checkpoint(row))[0] for row in ROWS])
        assert [rows[-1]["step"] for rows in histories.values()] == [3, 3]
    for one, other in zip(*found, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_stage_that_is_out_of_time_is_not_gone_on_with_at_once(tmp_path, monkeypatch):
    faces, run = synthetic.faces(4, seed=0, size=48, shots_per_identity=1), Run(tmp_path, recipe("smoke"), 0)
    stages.train(run, faces, stages=("parse-clean", "parse-blurry"), say=None)
    monkeypatch.setattr(together, "WORTH", 1)
    monkeypatch.setattr(together, "cores", lambda: 2)
    histories = together.train(run, faces, ROWS, each=1e-6)
    assert {name: rows[-1]["step"] for name, rows in histories.items()} == dict.fromkeys(ROWS, 1)
