"""Every number that the paper states, once, and the presets that training runs under.

`paper` is the paper's own; `gpu` fits it into an evening on one GPU; `gpu-short`, minutes of one, is what the training
of the package's weights began with; `cpu` takes an hour or two of two cores, and `cpu-2` can go on from what it made;
`laptop` is the default of the notebooks, minutes on two cores; `seeds` trains the rows of Table VI some minutes each,
several times over; `smoke` only shows that all parts fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from umsn.files import InputError

#: Gaussian noise in [0, 1]: the paper (Sec. IV-A.2), its published training code, and the test images of Shen et al. as
#: measured.
NOISE_PAPER, NOISE_CODE, NOISE_TEST_SETS = 0.03, 2 / 255, 0.0046

#: The protocol of the test sets (Sec. IV): 100 faces x 8 sizes x 10 kernels = 8,000 blurred images.
TEST_FACES, TEST_KERNELS_PER_SIZE = 100, 10


@dataclass(frozen=True)
class Schedule:
    """How long and how fast one stage learns."""

    iterations: int
    batch: int = 16  #: images a step (Sec. IV-A.2b)
    learning_rate: float = 2e-4  #: of Adam (Sec. IV-A)
    decay: Literal["constant", "cosine"] = (
        "constant"  #: the paper's is constant; cosine goes to zero after a short rise
    )


@dataclass(frozen=True)
class Recipe:
    """All choices of one sequence of trainings."""

    name: str
    parse_clean: Schedule  #: S-Net on sharp faces: 60,000 iterations (Sec. IV-A.1)
    parse_blurry: Schedule  #: S-Net on blurred faces: 30,000 at 1e-5 (Sec. IV-A.1)
    stream: Schedule  #: each of the four first-stage networks: 50,000 (Sec. IV-A.2a)
    whole: Schedule  #: UMSN, and every row of Table VI: 100,000 (Sec. IV-A.2b)
    width: int = 64  #: channels of B-Net (Appendix A); F-Net's keep their ratio
    expansion: float = 1  #: of the ResBlocks' insides; the paper gives none
    parsing_widths: tuple[int, ...] = (16, 32, 64, 96)  #: of S-Net; the paper gives none
    crop: int = 128  #: side of the training images (Sec. IV-A.2)
    kernels: int = 25_000  #: different blur kernels (Sec. IV-A.2)
    sigma: tuple[float, float] = (NOISE_PAPER, NOISE_PAPER)  #: noise is drawn between these
    anxiety: tuple[float, float] = (0.005, 0.005)  #: of the shaking hand, drawn log-uniformly between these
    lam: float = 0.01  #: lambda of Eq. 4 (Sec. IV-A.2b)
    lam1: float = 2e-4  #: lambda_1 of Eq. 6 (Sec. IV-A.2b)
    faces: int = 27_000  #: training photographs: 2,000 Helen + 25,000 CelebA (Sec. IV-A.2)
    test_faces: int = TEST_FACES
    test_kernels: int = TEST_KERNELS_PER_SIZE
    snapshots: tuple[float, ...] = (0.03, 0.5, 1.0)  #: 3,000, 50,000 and 100,000 of 100,000 iterations (Table VII)


PAPER = Recipe(
    name="paper",
    parse_clean=Schedule(60_000),
    parse_blurry=Schedule(30_000, learning_rate=1e-5),
    stream=Schedule(50_000),
    whole=Schedule(100_000),
)


def _short(
    name: str, iterations: tuple[int, int, int, int], batch: int, rate: float = 1e-3, **others: object
) -> Recipe:
    """A preset with few iterations: a larger learning rate that decays, and noise that covers the test sets'."""
    schedules = (Schedule(n, batch, rate, "cosine") for n in iterations)
    clean, blurry, stream, whole = schedules
    return Recipe(name, clean, replace(blurry, learning_rate=rate / 3), stream, whole, sigma=(0.004, 0.016), **others)


CPU = Recipe(
    name="cpu",
    parse_clean=Schedule(300, 8, 2e-3, "cosine"),
    parse_blurry=Schedule(450, 8, 1e-3, "cosine"),
    stream=Schedule(150, 4, 1e-3, "cosine"),
    whole=Schedule(2_900, 4, 8e-4, "cosine"),
    crop=96,
    kernels=10_000,
    sigma=(0.004, 0.016),
    faces=5_400,
)

#: As kernels measured from real cameras differ: hands that are calmer, and hands that tremble more.
REAL_SHAKES = {"kernels": 20_000, "anxiety": (0.0005, 0.02)}

LAPTOP = _short(
    "laptop",
    iterations=(80, 80, 30, 50),
    batch=4,
    rate=2e-3,
    width=32,
    parsing_widths=(12, 24, 48, 64),
    crop=96,
    faces=240,
    kernels=1_000,
    test_faces=6,
    test_kernels=1,
)

RECIPES = {
    "paper": PAPER,
    "gpu": _short("gpu", (20_000, 10_000, 5_000, 100_000), 16, 4e-4, faces=10_000, anxiety=REAL_SHAKES["anxiety"]),
    "cpu": CPU,
    "cpu-2": replace(CPU, name="cpu-2", whole=Schedule(4_000, 8, 1e-3, "cosine"), **REAL_SHAKES),
    "gpu-short": Recipe(
        name="gpu-short",
        parse_clean=Schedule(1_500, 16, 2e-3, "cosine"),
        parse_blurry=Schedule(2_500, 16, 1e-3, "cosine"),
        stream=Schedule(400, 16, 1e-3, "cosine"),
        whole=Schedule(6_500, 16, 1e-3, "cosine"),
        sigma=(0.004, 0.016),
        faces=5_400,
        **REAL_SHAKES,
    ),
    "laptop": LAPTOP,
    "seeds": replace(
        LAPTOP,
        name="seeds",
        parse_clean=replace(LAPTOP.parse_clean, iterations=240),
        parse_blurry=replace(LAPTOP.parse_blurry, iterations=240),
        stream=replace(LAPTOP.stream, iterations=80),
        whole=replace(LAPTOP.whole, iterations=250),
    ),
    "smoke": _short(
        "smoke",
        iterations=(3, 3, 2, 3),
        batch=2,
        width=16,
        parsing_widths=(4, 8, 8, 8),
        crop=48,
        faces=8,
        kernels=32,
        test_faces=2,
        test_kernels=1,
    ),
}


#: Recipes under which networks are trained for so long that an edition measures its own, not the package's.
LONG = ("gpu-short", "gpu", "paper")


def recipe(name: str) -> Recipe:
    """The preset of that name. Raises InputError for an unknown one."""
    if name not in RECIPES:
        raise InputError(f"recipe {name!r}: expected one of {', '.join(RECIPES)}")
    return RECIPES[name]
