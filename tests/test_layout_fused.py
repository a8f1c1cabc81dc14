"""The Triton kernels give what `operations.rectified` does; on a machine without a GPU by Triton's interpreter.

Triton comes with torch's builds for GPUs. Elsewhere `pip install triton` lets these tests run.
"""

from functools import partial

import pytest
import torch
from training import short, striped

from umsn.networks.confidence import ConfidenceNetwork
from umsn.networks.deblurring import FirstStage, FNet, build
from umsn.networks.parsing import FrozenParser, SNet
from umsn.training.batches import Source
from umsn.training.layout import operations
from umsn.training.layout.check import check
from umsn.training.layout.step import LaidStep
from umsn.training.stages import Stream, Whole

pytest.importorskip("triton", reason="Triton is not installed: `pip install triton`, and its interpreter runs them")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
fused = pytest.importorskip("umsn.training.layout.fused")
TritonError = pytest.importorskip("triton.errors").TritonError

if DEVICE == "cpu":
    fused.SPLITS = 2  # the interpreter takes its time for each

#: Images, channels, height, width; groups and taps of the filters; mean of the numbers.
SHAPES = [
    (2, 16, 6, 5, 2, 3, 0.0),
    (1, 8, 9, 7, 1, 3, 50.0),
    (2, 72, 5, 4, 1, None, 0.0),
    (1, 80, 3, 9, 1, 5, -3.0),
]


def given(batch, channels, height, width, groups, taps, mean, kind=torch.float32):
    random = torch.Generator().manual_seed(0)
    x = (torch.randn(batch, channels, height, width, generator=random) + mean).to(DEVICE, kind)
    filters = None if taps is None else torch.randn(groups, taps, taps, generator=random).to(DEVICE, kind)
    return [t if t is None else t.requires_grad_() for t in (x, filters)]


def found(rectified, x, filters):
    """What comes out, and gradients under a fixed pull."""
    z = rectified(x, filters)
    pull = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).to(z)
    return [z, *torch.autograd.grad((z * pull).sum(), [t for t in (x, filters) if t is not None])]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "allowed"), [(torch.float32, 3e-6), (torch.bfloat16, 0.02)], ids=str)
def test_they_give_what_the_plain_operations_give_in_64_bits(shape, kind, allowed):
    inputs = given(*shape, kind=kind)
    exactly = [t if t is None else t.detach().double().requires_grad_() for t in inputs]
    ours, plain = found(fused.rectified, *inputs), found(operations.rectified, *exactly)
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == kind
        assert (one - other).abs().max() <= allowed * other.abs().max()


def test_channels_of_zeros_stay_zeros_and_nothing_else_changes_with_them():
    x, filters = given(1, 16, 8, 8, 2, 3, 0.0)
    with torch.no_grad():
        x[:, 5:8] = 0
    z, dx, _ = found(fused.rectified, x, filters)
    assert z[:, 5:8].abs().max() == 0 < z[:, :5].abs().max()
    assert dx[:, :5].abs().max() > 0


@pytest.mark.parametrize("shape", [(1, 8, 4, 4, 1, 3, 0.0), (1, 8, 4, 4, 1, None, 0.0)], ids=str)
def test_torch_may_compile_what_is_around_them(shape):
    torch.library.opcheck(fused._rectified, tuple(given(*shape)))


def test_what_triton_cannot_do_is_said(monkeypatch):
    """As `stepping` expects it, which then refuses in one line."""

    class Failing:
        def __getitem__(self, grid):
            raise TritonError("out of something\nand more")

    monkeypatch.setattr(fused, "_sums", Failing())
    with pytest.raises(RuntimeError, match=r"^Triton: TritonError: out of something$"):
        fused.rectified(*given(*SHAPES[0]))


def test_a_step_that_is_compiled_around_them_is_the_plain_one():
    """Of a small first-stage network, and on a GPU of UMSN."""
    source = Source.of(striped(), short(), seed=0, device=DEVICE)
    parser = FrozenParser(SNet(widths=(4,)).to(DEVICE))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if DEVICE == "cuda":
            task = Whole(build("umsn", width=16), ConfidenceNetwork(), parser, None, short())
        else:
            task = Stream(FirstStage(FNet(channels=(8, 4))), 2, parser, None, 0)
    task.to(DEVICE)
    compiler = partial(torch.compile, backend="aot_eager", fullgraph=True) if DEVICE == "cpu" else None
    step = LaidStep(task, torch.optim.Adam(task.parameters()), source, 1, torch.float32, compiler, triton=True)
    assert check(step, task)["loss"] < 1e-5
