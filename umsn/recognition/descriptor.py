"""Our own small face descriptor, learnt from synthetic faces: the stand-in for VGG-Face (Eq. 5) and OpenFace (Table V).

It has VGG's shape (Simonyan and Zisserman 2015: 3x3 convolutions, ReLU, pooling by halves) at a hundredth of its size,
and learns as face recognition does: to tell people apart by a softmax over cosines (CosFace, Wang et al. 2018).
A number made with it compares our methods with each other, never with the paper's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.resources import as_file, files
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from umsn.faces import FaceSet
from umsn.files import InputError
from umsn.networks import weights

SEEN = 64  #: pixels a side of the face frame that `Descriptor.embed` looks at


class Descriptor(nn.Module):
    """What a face looks like: the map relu1_2 at full resolution, and 64 numbers that say whose it is."""

    title = "our descriptor"

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96), length: int = 64) -> None:
        super().__init__()
        self.relu1_2 = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, padding=1), nn.ReLU(), nn.Conv2d(widths[0], widths[0], 3, padding=1), nn.ReLU()
        )
        self.deeper = nn.Sequential(
            *(
                nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(8, o), nn.ReLU())
                for i, o in pairwise(widths)
            ),
            nn.MaxPool2d(2),
        )
        side = SEEN // 2 ** len(widths)
        self.summary = nn.Linear(widths[-1] * side**2, length)

    def features(self, image: Tensor) -> Tensor:
        """relu1_2 of Eq. 5 at full resolution: (B, 3, H, W) RGB in [0, 1] -> (B, 16, H, W) >= 0.

        Scaled to a mean square of 1 over sharp training faces: lambda_1 weighs the same whatever the training.
        """
        return self.relu1_2(2 * image - 1)

    def pool4(self, image: Tensor) -> Tensor:
        """The last pooling, in the place of pool5: (B, 3, H, W) RGB in [0, 1] -> (B, 96, H/16, W/16), rounded down."""
        return self.deeper(self.features(image))

    def forward(self, image: Tensor) -> Tensor:
        """One look: (B, 3, SEEN, SEEN) RGB in [0, 1] -> (B, 64) of length 1, as in training."""
        return F.normalize(self.summary(self.pool4(image).flatten(1)), dim=1)

    def embed(self, image: Tensor) -> Tensor:
        """Whose face: (B, 3, H, W) RGB in [0, 1], framed as in the data sets -> (B, 64) of length 1.

        Any size is taken; what is seen is its reduction to 64 x 64 and the mirror image of that, whose embeddings are
        added. The larger the scalar product of two results, the more alike the faces.
        """
        if image.shape[-2:] != (SEEN, SEEN):
            image = F.interpolate(image, (SEEN, SEEN), mode="bilinear", antialias=True, align_corners=False)
        return F.normalize(self(image) + self(image.flip(-1)), dim=1)


def varied(photos: Tensor, frame: float, generator: torch.Generator) -> Tensor:
    """Photographs as another camera might have taken them: (B, 3, H, W) in [0, 1] -> (B, 3, SEEN, SEEN).

    ``frame`` is the part of the side that frames the face. Shifted, turned, zoomed, mirrored, lit otherwise, softer.
    """
    count = len(photos)
    spread = lambda *shape: 2 * torch.rand(count, *shape, generator=generator) - 1  # noqa: E731  within [-1, 1)
    zoom, turn = frame * (1 + 0.06 * spread()), 0.06 * spread()
    mirror = torch.where(spread() < 0, -1.0, 1.0)
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    shift = frame * 0.06 * spread(2)
    affine = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], 1).view(-1, 2, 3)
    light = (0.2 * spread(1, 1, 1) + 0.04 * spread(3, 1, 1)).exp()
    soft = (0.5 + 0.5 * spread(1, 1, 1)) * (spread(1, 1, 1) < 0)
    affine, light, soft = (t.to(photos.device) for t in (affine, light, soft))
    grid = F.affine_grid(affine, [count, 3, SEEN, SEEN], align_corners=False)
    framed = F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)
    box = F.avg_pool2d(F.pad(framed, (2, 2, 2, 2), mode="reflect"), 5, 1)
    return (torch.lerp(framed, box, soft) * light).clamp(0, 1)


def train_descriptor(
    faces: FaceSet,
    *,
    seed: int,
    steps: int = 500,
    batch: int = 64,
    margin: int = 0,
    learning_rate: float = 2e-3,
    scale: float = 16.0,
    gap: float = 0.2,
    device: str | torch.device = "cpu",
    say: Callable[[str], None] | None = None,
) -> tuple[Descriptor, list[dict[str, float]]]:
    """Learn to tell the people of ``faces`` apart; the descriptor, and a history of step, loss and accuracy.

    faces: photographs of known people, several of each
    seed: of weights, batches and variations; the same seed gives the same bits on the CPU
    steps: of the optimiser
    batch: photographs a step
    margin: pixels around the face frame on each side, as in `synthetic.faces`, so that shifts show what is there
    learning_rate: the highest; it rises over the first tenth of the steps, then falls
    scale: of the cosines (with one learnt direction a person) in the softmax that is the loss
    gap: by which the right person's cosine is reduced before
    device: where it is trained
    say: is told how far it is; None is silent

    In the end `discriminate` finds the last layer anew. Raises InputError for identities unknown or fewer than two.
    """
    if faces.identities is None or len(faces.identities.unique()) < 2:
        raise InputError("faces of unknown or fewer than two identities: a descriptor learns to tell people apart")
    people, target = faces.identities.unique(return_inverse=True)
    frame = 1 - 2 * margin / faces.photos.shape[-1]
    photos, target = _reduced(faces.photos, round(SEEN / frame)).to(device), target.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        descriptor, directions = Descriptor(), torch.randn(len(people), 64)
    descriptor.to(device, memory_format=torch.channels_last).train()  # the fastest on a CPU
    directions = directions.to(device).requires_grad_()
    optimiser = torch.optim.AdamW([*descriptor.parameters(), directions], learning_rate, weight_decay=1e-2)
    decay = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    history, recent = [], []
    for step in range(1, steps + 1):
        pick = torch.randint(len(photos), (batch,), generator=generator).to(device)
        cosines = descriptor(varied(photos[pick], frame, generator)) @ F.normalize(directions, dim=1).T
        right = F.one_hot(target[pick], len(people))
        loss = F.cross_entropy(scale * (cosines - gap * right), target[pick])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        decay.step()
        recent.append((float(loss.detach()), float((cosines.argmax(1) == target[pick]).float().mean())))
        if step % max(1, steps // 50) == 0 or step == steps:
            mean, accuracy = (sum(column) / len(recent) for column in zip(*recent, strict=True))
            history.append({"step": step, "loss": mean, "accuracy": accuracy})
            recent = []
            if say is not None:
                say(f"descriptor: step {step}/{steps}, loss {mean:.3f}, right {accuracy:.0%}")
    _scale_features(descriptor, photos)
    parts = list(zip(photos.split(64), target.split(64), strict=True))
    discriminate(descriptor, [(varied(part, frame, generator), who) for _ in range(3) for part, who in parts])
    return descriptor.eval().requires_grad_(False), history


def _reduced(photos: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) of 0..255 -> (N, 3, side, side) in [0, 1], some at a time."""
    small = [F.interpolate(p.float(), (side, side), mode="bilinear", antialias=True) for p in photos.split(64)]
    return (torch.cat(small) / 255).clamp(0, 1)


@torch.no_grad()
def discriminate(descriptor: Descriptor, views: Iterable[tuple[Tensor, Tensor]], shrinkage: float = 0.1) -> None:
    """Replace the last layer by Fisher's linear discriminant of pool4, in closed form (Belhumeur et al. 1997).

    ``views`` are batches of (B, 3, SEEN, SEEN) RGB in [0, 1] and of (B,) people. Directions in which the people's means
    differ most, in units of how photographs of one person differ. ``shrinkage`` times the mean variance is added to the
    variance of every direction: there are more of them than photographs.
    """
    pairs = [(descriptor.pool4(image).flatten(1).double(), who) for image, who in views]
    seen, (people, who) = torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs]).unique(return_inverse=True)
    means = torch.zeros(len(people), seen.shape[1]).to(seen).index_add_(0, who, seen) / who.bincount()[:, None]
    within = (seen - means[who]).T @ (seen - means[who]) / len(seen)
    within.diagonal().add_(shrinkage * within.diagonal().mean())
    root, centre = torch.linalg.cholesky(within), seen.mean(dim=0)
    whitened = torch.linalg.solve_triangular(root, (means - centre).T, upper=False)
    axes = torch.linalg.svd(whitened, full_matrices=False).U[:, : descriptor.summary.out_features]
    rows = torch.linalg.solve_triangular(root.T, axes, upper=True).T
    rows /= rows.abs().max()  # lengths do not matter; 16 bits hold them
    descriptor.summary.weight.zero_()[: len(rows)] = rows.float()
    descriptor.summary.bias.zero_()[: len(rows)] = -(rows @ centre).float()


@torch.no_grad()
def _scale_features(descriptor: Descriptor, photos: Tensor) -> None:
    """Give relu1_2 a mean square of 1 over the photographs, and undo it in the next layer: the embedding stays."""
    size = torch.stack([descriptor.features(p).pow(2).mean() for p in photos.split(64)]).mean().sqrt()
    before, after = descriptor.relu1_2[2], descriptor.deeper[0][1]
    before.weight /= size
    before.bias /= size
    after.weight *= size


@lru_cache(maxsize=2)
def shipped_descriptor(device: str = "cpu") -> Descriptor:
    """The descriptor in the package, frozen; the facts in its file say how it was trained and how well it does."""
    with as_file(files("umsn") / "pretrained" / "descriptor.safetensors") as path:
        tensors, _ = weights.load(path, device)
        descriptor = Descriptor().to(device)
        weights.into(descriptor, tensors, source=path)
    return descriptor.eval().requires_grad_(False)
