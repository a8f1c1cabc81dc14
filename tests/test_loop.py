"""The training loop: resumable to the bit, shared by processes, and never half-written."""

import errno
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from training import SHORT, run_in, short, striped

from umsn.faces import CLASSES
from umsn.files import InputError, read_json
from umsn.networks import weights
from umsn.networks.blocks import ResBlock
from umsn.networks.parsing import SNet
from umsn.recipes import Schedule
from umsn.training.batches import Batch, Source
from umsn.training.loop import fit, learning_rate, seed_of
from umsn.training.passes import Replay, one_pass
from umsn.training.stages import UP_TO_UMSN, Parsing, train

FACES = striped()


def same(a: Path, b: Path) -> bool:
    one, other = (weights.load(p)[0] for p in (a, b))
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path):
    runs = [run_in(tmp_path / "a"), run_in(tmp_path / "b"), replace(run_in(tmp_path / "c"), seed=1)]
    for run in runs:
        train(run, FACES, stages=["parse-clean"], say=None)
    a, b, c = (r.checkpoint("parse-clean") for r in runs)
    assert same(a, b) and not same(a, c)


def test_the_global_generator_is_left_alone(tmp_path):
    before = torch.random.get_rng_state()
    train(run_in(tmp_path), FACES, stages=["parse-clean"], say=None)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_run_out_of_time_goes_on_to_the_same_weights(tmp_path):
    whole, parts = run_in(tmp_path / "whole"), run_in(tmp_path / "parts")
    train(whole, FACES, stages=["parse-clean"], say=None)
    calls = 0
    while weights_step(parts) < 4:
        train(parts, FACES, stages=["parse-clean"], minutes=1e-4, say=None)
        calls += 1
    assert calls == 4
    assert same(whole.checkpoint("parse-clean"), parts.checkpoint("parse-clean"))


def weights_step(run) -> int:
    path = run.checkpoint("parse-clean")
    return weights.load(path)[1]["step"] if path.exists() else 0


KILLED = """
import os, random, signal, sys, time
sys.path.insert(0, sys.argv[2])
from dataclasses import replace
from functools import partial
from pathlib import Path
import torch
from training import SHORT, run_in, striped
from umsn.networks import weights
from umsn.networks.blocks import ResBlock
from umsn.training.loop import fit
from umsn.training.batches import Batch, Source
torch.set_num_threads(1)

def work(run):
    source = Source.of(striped(), run.recipe, seed=0)
    long = replace(SHORT, iterations=int(sys.argv[3]))
    fit(run.task("parse-clean"), source, long, run.checkpoint("parse-clean"), seed=0, save_every=0, say=None)

run, moments, reached = run_in(Path(sys.argv[1])), random.Random(0), set()
path = run.checkpoint("parse-clean")

def written():
    return path.stat().st_mtime_ns if path.exists() else 0

for kill in range(int(sys.argv[4]) + 1):
    child = os.fork()
    if child == 0:
        work(run)
        os._exit(0)
    if kill < int(sys.argv[4]):
        for _ in range(moments.randrange(8)):
            last = written()
            while written() == last:
                time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if path.exists():
        reached.add(weights.load(path)[1]["step"])  # whole, whenever the process died
    print(kill, status, max(reached, default=0), flush=True)
sys.exit(status)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_run_killed_fifty_times_goes_on_to_the_same_weights(tmp_path):
    """Killed at random moments, some of them within a write; the last process is left to finish."""
    steps, kills = 350, 50
    order = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(Path(__file__).parent), str(steps), str(kills)]
    done = subprocess.run(order, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    lines = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    killed = [status == signal.SIGKILL for _, status, _ in lines]
    assert killed == [True] * kills + [False], "it was done before it was killed often enough"
    assert len({step for *_, step in lines}) > kills // 4  # it went on between the kills
    whole = run_in(tmp_path / "whole")
    source, long = Source.of(FACES, whole.recipe, seed=0), replace(SHORT, iterations=steps)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    fit(whole.task("parse-clean"), source, long, whole.checkpoint("parse-clean"), seed=0, say=None)
    torch.set_num_threads(threads)
    path = run_in(tmp_path / "killed").checkpoint("parse-clean")
    assert same(whole.checkpoint("parse-clean"), path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["parse-clean.json", "parse-clean.safetensors"]


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    run = run_in(tmp_path)
    train(run, FACES, stages=["parse-clean"], minutes=1e-4, say=None)
    before = run.checkpoint("parse-clean").read_bytes()
    write = Path.write_bytes

    def full(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        train(run, FACES, stages=["parse-clean"], say=None)
    assert run.checkpoint("parse-clean").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.undo()
    train(run, FACES, stages=["parse-clean"], say=None)
    assert weights_step(run) == 4


def spoil_nothing(content: bytes) -> bytes:
    return b""


def spoil_the_end(content: bytes) -> bytes:
    return content[: len(content) // 2]


def spoil_the_head(content: bytes) -> bytes:
    return b"\xff" * 64 + content[64:]


def pickled(content: bytes) -> bytes:
    stream = io.BytesIO()
    torch.save({"task.weight": torch.zeros(3)}, stream)
    return stream.getvalue()


def without_facts(content: bytes) -> bytes:
    return safetensors.torch.save({"task.weight": torch.zeros(3)})


@pytest.mark.parametrize("spoil", [spoil_nothing, spoil_the_end, spoil_the_head, pickled, without_facts])
def test_a_spoilt_or_foreign_checkpoint_is_named(tmp_path, spoil):
    run = run_in(tmp_path)
    train(run, FACES, stages=["parse-clean"], say=None)
    path = run.checkpoint("parse-clean")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=r"parse-clean\.safetensors: (cannot be read|weights without the facts)"):
        train(run, FACES, stages=["parse-clean"], say=None)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run = run_in(tmp_path)
    train(run, FACES, stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"another run \(data differ"):
        train(run, striped(3), stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"seed differ"):
        train(replace(run, seed=1), FACES, stages=["parse-clean"], say=None)
    with pytest.raises(InputError, match=r"recipe.*differ"):
        train(replace(run, recipe=short(lam=0.5)), FACES, stages=["parse-clean"], say=None)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path):
    class Broken(Parsing):
        def forward(self, batch):
            return {"loss": super().forward(batch)["loss"] * float("nan")}

    source = Source.of(FACES, short(), seed=0)
    with pytest.raises(FloatingPointError, match=r"broken: the loss is nan by step 1"):
        fit(Broken(SNet(widths=(4, 8)), blurry=False), source, SHORT, tmp_path / "broken.safetensors", seed=0, say=None)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_spoils_later_is_noticed_before_it_is_saved(tmp_path):
    """Also where losses are read every third step only, as on a GPU."""

    class Spoilt(Parsing):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            return {"loss": super().forward(batch)["loss"] * (float("nan") if self.calls == 8 else 1)}

    source, path = Source.of(FACES, short(), seed=0), tmp_path / "spoilt.safetensors"
    task = Spoilt(SNet(widths=(4, 8)), blurry=False)
    with pytest.raises(FloatingPointError, match=r"spoilt: the loss is nan by step 9"):
        fit(task, source, Schedule(1000, 2), path, seed=0, read_every=3, save_every=0, say=None)
    assert weights.load(path)[1]["step"] == 6


def test_reading_losses_less_often_changes_neither_weights_nor_history(tmp_path):
    source, histories = Source.of(FACES, short(), seed=0), []
    for often in (1, 7):
        run = run_in(tmp_path / f"{often}")
        task, path = run.task("parse-clean"), run.checkpoint("parse-clean")
        histories.append(fit(task, source, Schedule(200, 1), path, seed=0, read_every=often, say=None))
    assert same(*(run_in(tmp_path / f"{often}").checkpoint("parse-clean") for often in (1, 7)))
    assert [row["step"] for row in histories[0]] == [row["step"] for row in histories[1]] == list(range(2, 201, 2))
    losses = [torch.tensor([row["loss"] for row in history]) for history in histories]
    torch.testing.assert_close(*losses)


def test_compiled_blocks_are_those_that_learn(tmp_path, monkeypatch):
    """torch.compile itself needs a compiler; that every block gets it, those of the masks' S-Net too, is ours."""
    compiled = []
    monkeypatch.setattr("umsn.networks.blocks.ResBlock.compile", lambda block, dynamic: compiled.append(block))
    plain, run = run_in(tmp_path / "plain"), replace(run_in(tmp_path / "compiled"), compiled=True)
    for one in (plain, run):
        train(one, FACES, stages=["parse-clean", "parse-blurry", "stream-skin"], say=None)
    parser, stream = run.task("parse-clean"), run.task("stream-skin")  # which compiles its parser once more
    blocks = [sum(isinstance(m, ResBlock) for m in task.modules()) for task in (parser, stream)]
    assert len(compiled) == 2 * blocks[0] + (blocks[0] + blocks[1]) + blocks[0]
    assert same(*(one.checkpoint("stream-skin") for one in (plain, run)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no card here")
def test_a_replayed_step_has_the_gradients_of_one_that_was_not_recorded():
    torch.manual_seed(0)
    task = Parsing(SNet(widths=(4, 8, 8, 8)), blurry=True).cuda()
    optimiser = torch.optim.Adam(task.parameters())
    source = Source.of(FACES, short(), seed=0, device="cuda")
    first, second = (source.batch(2, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    learn = partial(one_pass, task, optimiser, torch.float32)
    wanted = learn(second)["loss"].clone()
    gradients = [p.grad.clone() for p in task.parameters()]
    replay = Replay(learn, first)
    torch.testing.assert_close(replay(second)["loss"], wanted)
    torch.testing.assert_close([p.grad for p in task.parameters()], gradients, rtol=1e-3, atol=1e-5)


def test_validation_is_recorded_twenty_times_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("umsn.training.stages.VALIDATED", 4)
    schedule = replace(SHORT, iterations=60)
    alone, watched = (run_in(tmp_path / name, parse_blurry=schedule) for name in ("alone", "watched"))
    for run, unseen in ((alone, None), (watched, striped(3))):
        stages = ["parse-clean", "parse-blurry"]
        histories = train(run, FACES, stages=stages, validation=unseen, say=None)
    assert same(alone.checkpoint("parse-blurry"), watched.checkpoint("parse-blurry"))
    scores = [row for row in histories["parse-blurry"] if "validation F skin" in row]
    assert [row["step"] for row in scores] == list(range(3, 61, 3))
    assert all(0 <= row[f"validation F {name}"] <= 1 for row in scores for name in CLASSES)
    record = read_json(watched.checkpoint("parse-blurry").with_suffix(".json"))
    assert record["history"] == histories["parse-blurry"] and record["provenance"]["platform"]["cpu"]


def test_the_learning_rate_rises_then_falls_or_stays():
    cosine = Schedule(1000, 16, 1e-3, "cosine")
    rates = [learning_rate(cosine, s) for s in range(1000)]
    assert max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) <= 20
    assert rates[0] < 1e-4 and rates[-1] < 1e-5
    assert {learning_rate(Schedule(1000), s) for s in (0, 500, 999)} == {2e-4}


SHARED = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import torch
from dataclasses import replace
from functools import partial
from training import SHORT, run_in, striped
from umsn.training import loop
from umsn.training.stages import train
torch.set_num_threads(1)
loop.fast_type = lambda device: torch.float32
torch.distributed.init_process_group("gloo")
train(run_in(Path(sys.argv[1]), whole=replace(SHORT, iterations=1)), striped(), stages=["umsn"], say=None)
torch.distributed.destroy_process_group()
"""


def test_two_processes_learn_what_one_does(tmp_path, monkeypatch):
    """One step of UMSN: the losses of one process with the same global batch, and the mean of its halves' gradients.

    The gradients of the whole batch are no yardstick: one process that splits it differs from itself by a few
    percent, where ReLUs flip on inputs that are rounding alone. Nor are later steps: Adam follows such gradients with
    full steps.
    """
    monkeypatch.setattr("umsn.training.loop.fast_type", lambda device: torch.float32)
    one = {"whole": replace(SHORT, iterations=1)}
    alone, shared = run_in(tmp_path / "alone", **one), run_in(tmp_path / "shared", **one)
    train(alone, FACES, stages=UP_TO_UMSN[:-1], say=None)
    shutil.copytree(alone.folder, shared.folder)
    train(alone, FACES, stages=["umsn"], say=None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    order = [sys.executable, "-c", SHARED, str(shared.folder), str(Path(__file__).parent)]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [subprocess.Popen(order, env=os.environ | places | {"RANK": str(rank)}) for rank in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    (_, about), (found, said) = (weights.load(run.checkpoint("umsn")) for run in (alone, shared))
    assert said["history"][0] == pytest.approx(about["history"][0] | {"seconds": said["history"][0]["seconds"]}, 1e-4)
    expected = mean_of_halves(alone)
    gradients = torch.cat([found[f"adam.{i}.exp_avg"].flatten() for i in range(len(expected))]) / (1 - 0.9)
    expected = torch.cat([g.flatten() for g in expected])
    assert (gradients - expected).norm() < 1e-4 * expected.norm()


def mean_of_halves(run) -> list[torch.Tensor]:
    """The gradients of the first step of stage umsn, taken of every second image and averaged, in one process."""
    task = run.task("umsn").train()
    source = Source.of(FACES, run.recipe, seed=run.seed)
    batch = source.batch(run.recipe.whole.batch, torch.Generator().manual_seed(seed_of(run.seed, "umsn", 0)))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of the two has
    for half in range(2):
        (task(Batch(*(t[half::2] for t in batch)))["loss"] / 2).backward()
    torch.set_num_threads(threads)
    return [p.grad for p in task.parameters() if p.requires_grad]


def test_a_batch_that_cannot_be_shared_evenly_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    monkeypatch.setattr("umsn.processes.gathered", lambda mine: [mine])
    with pytest.raises(InputError, match="batch of 2 cannot be shared evenly by 3"):
        train(run_in(tmp_path), FACES, stages=["parse-clean"], say=None)
