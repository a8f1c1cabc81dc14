"""Does the step in the layout, compiled and recorded, compute what the plain networks do? Asked before every run.

A compiler may be wrong, and a loss that falls all the same would not show it. So one step is taken and compared with
the plain networks, which torch runs one operation after the other: the terms of the loss, the gradients, and Adam.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from umsn.training.batches import Batch
from umsn.training.layout.step import LaidStep

#: The most by which a step may differ from the plain networks in 32 bits, relatively, by the precision of its
#: convolutions: the terms of the loss, all gradients, those of one parameter.
ALLOWED = {
    torch.float32: {"loss": 1e-3, "gradients": 0.05, "gradients of a parameter": 0.3},
    torch.bfloat16: {"loss": 0.03, "gradients": 0.15, "gradients of a parameter": 0.5},
}

#: Gradients jump where a ReLU's input is rounding alone. Where the plain networks differ from themselves by more, at
#: that precision and on images that are brighter by a millionth, so many times as much is allowed.
LENIENCE, BRIGHTER = 3, 1 + 1e-6

#: The most by which a weight may differ after a step of Adam, in learning rates.
ALLOWED_OF_ADAM = 1e-3

RATE = 1e-3  #: of the step that is checked


class DifferenceError(RuntimeError):
    """The layout computes something else than the plain networks."""


def check(step: LaidStep, task: nn.Module) -> dict[str, float]:
    """How far one step differs from the plain ``task``, by what was compared; weights are left as they are.

    Raises DifferenceError, naming the first thing that differs by more than is allowed.
    """
    flat, source = step.flat, step.source
    drawn = source.draw(len(step.drawn.pick), torch.Generator().manual_seed(1))
    batch = source.mixed(drawn, only=step.only)
    exact = _plain(step, task, batch, torch.float32)
    brighter = Batch(BRIGHTER * batch.sharp, BRIGHTER * batch.blurred, batch.masks)
    usual = _plain(step, task, brighter, step.precision)
    with flat.kept():
        expected = _adam(step)
        terms = step(drawn, int(flat.steps[0]), RATE)
        ours = torch.stack(list(terms.values())), flat.gradients.to(flat.weights.dtype)
        weights = expected(ours[1])
        found = {"Adam": float((flat.weights - weights).abs().max()) / RATE}
        found["padding"] = float(flat.weights[flat.padding()].abs().sum())
    apart, known = _apart(step, ours, exact), _apart(step, usual, exact)
    for name, allowed in ALLOWED[step.precision].items():
        _refuse_beyond(max(allowed, LENIENCE * known[name]), name, apart[name])
    _refuse_beyond(0, "padding", found["padding"])
    _refuse_beyond(ALLOWED_OF_ADAM, "Adam", found["Adam"])
    return apart | found


def _refuse_beyond(allowed: float, name: str, value: float) -> None:
    if not value <= allowed:
        raise DifferenceError(
            f"{name} of a step differ from the plain networks' by {value:.2g}; at most {allowed:.2g} allowed"
        )


def _plain(step: LaidStep, task: nn.Module, batch: Batch, precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """Terms of the loss (T,) and gradients (N,) of the plain networks, one operation after the other."""
    eager = torch.compiler.set_stance("force_eager")
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    device = batch.sharp.device.type
    with eager, exact, torch.autocast(device, precision, enabled=precision != torch.float32):
        terms = task(batch)
    gradients = torch.autograd.grad(terms["loss"], [plain for _, plain, _ in step.flat.places])
    return torch.stack([term.detach().float() for term in terms.values()]), step.flat.gathered(gradients)


def _adam(step: LaidStep):
    """What `torch.optim.Adam` makes of the weights as they are now, once it is given gradients."""
    flat = step.flat
    weights = nn.Parameter(flat.weights.clone())
    settings = {name: flat.optimiser.defaults[name] for name in ("betas", "eps", "weight_decay")}
    optimiser = torch.optim.Adam([weights], RATE, decoupled_weight_decay=True, **settings)
    if int(flat.steps[0]):
        moments = {"exp_avg": flat.first.clone(), "exp_avg_sq": flat.second.clone()}
        optimiser.state[weights] = {"step": flat.steps[0].cpu().clone(), **moments}

    def stepped(gradients: Tensor) -> Tensor:
        weights.grad = gradients
        optimiser.step()
        return weights.detach()

    return stepped


def _apart(step: LaidStep, ours: tuple[Tensor, Tensor], exact: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Relative differences of terms and gradients; a small parameter's are seen relative to a tenth of all."""
    (terms, gradients), (true_terms, true_gradients) = ours, exact
    all_of_it, worst = true_gradients.norm(), 0.0
    for own, _, index in step.flat.places:
        one, true = (step.flat.view(vector, own)[index] for vector in (gradients, true_gradients))
        worst = max(worst, float((one - true).norm() / torch.maximum(true.norm(), all_of_it / 10)))
    return {
        "loss": float(((terms - true_terms).abs() / true_terms.abs().clamp_min(1e-3)).max()),
        "gradients": float((gradients - true_gradients).norm() / all_of_it),
        "gradients of a parameter": worst,
    }
