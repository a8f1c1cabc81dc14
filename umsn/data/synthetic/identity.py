"""Who is drawn: everything about a face that stays from photograph to photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HAIR = ("bald", "buzz", "short", "swept", "curly", "afro", "bob", "long", "wavy", "tied", "fringe")


@dataclass(frozen=True)
class Identity:
    """One person. Lengths are in head units (40 pixels of a 128-pixel window); shape numbers are about N(0, 1)."""

    number: int
    seed: int  #: of the noise that is this person's own
    masculine: float  #: 0..1
    age: float  #: 0 (twenty) .. 1 (eighty)
    tone: float  #: skin, 0 (very light) .. 1 (very dark)
    warmth: float  #: of the skin's hue
    width: float
    length: float
    jaw: float
    chin: float
    cheek: float
    hollow: float
    brow_ridge: float
    eye_size: float
    eye_open: float
    eye_tilt: float
    eye_gap: float
    lid: float  #: height of the upper lid's crease
    iris: tuple[float, float, float]
    nose_width: float
    nose_length: float
    nose_height: float
    nose_bridge: float
    lip_upper: float
    lip_lower: float
    mouth_width: float
    mouth_height: float
    brow_thick: float
    brow_arch: float
    brow_height: float
    brow_slope: float
    hair: str  #: one of HAIR
    hair_colour: tuple[float, float, float]
    hair_length: float
    hair_curl: float
    parting: float
    hairline: float
    recession: float
    grey: float
    beard: float  #: 0 none .. 1 full
    beard_shape: int  #: 0 full, 1 goatee, 2 moustache
    stubble: float
    glasses: int  #: 0 none, else a frame
    freckles: float
    makeup: float
    lipstick: tuple[float, float, float]
    asymmetry: float
    shine: float


_HAIR_COLOURS = np.array(
    [
        [0.10, 0.085, 0.08],
        [0.15, 0.11, 0.09],
        [0.24, 0.16, 0.11],
        [0.34, 0.22, 0.14],
        [0.46, 0.32, 0.19],
        [0.62, 0.46, 0.29],
        [0.80, 0.65, 0.44],
        [0.88, 0.78, 0.58],
        [0.55, 0.25, 0.13],
    ]
)
_IRISES = np.array([[0.16, 0.09, 0.05], [0.28, 0.17, 0.09], [0.36, 0.30, 0.16], [0.36, 0.44, 0.36], [0.38, 0.50, 0.62]])


def stream(*keys: int) -> np.random.Generator:
    """A generator that depends on the keys (integers, 0 or more) alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(keys)))


def identity_of(identity: int, seed: int) -> Identity:
    """The person number ``identity`` of the population ``seed``: every trait, drawn once."""
    rng = stream(seed, 1, identity)

    def normal(spread: float = 1.0) -> float:
        return float(np.clip(rng.standard_normal(), -2.2, 2.2)) * spread

    masculine = float(np.clip(rng.choice([0.15, 0.85], p=[0.6, 0.4]) + 0.1 * normal(), 0, 1))
    age = float(rng.beta(1.5, 2.6))
    tone = float(np.clip(rng.beta(1.1, 2.0), 0, 1))
    man = masculine > 0.5
    weights = (
        [0.07, 0.13, 0.34, 0.22, 0.10, 0.02, 0.0, 0.03, 0.02, 0.02, 0.05]
        if man
        else [0, 0.01, 0.03, 0.03, 0.08, 0.03, 0.14, 0.25, 0.2, 0.12, 0.11]
    )
    weights = np.array(weights)
    if tone > 0.65:
        weights = weights * np.array([1.5, 2, 0.6, 0.5, 2, 6, 0.7, 0.7, 1, 1.5, 0.5])
    hair = str(rng.choice(HAIR, p=weights / weights.sum()))
    fair = (
        np.array([1, 1.5, 2, 2, 1.5, 1.2, 1.2, 0.8, 0.6])
        if tone < 0.35
        else np.array([4, 3, 1.2, 0.4, 0.15, 0.05, 0.05, 0, 0.02])
    )
    colour = _HAIR_COLOURS[rng.choice(len(_HAIR_COLOURS), p=fair / fair.sum())] * np.exp(normal(0.12))
    grey = float(np.clip((age - 0.55) * 2.5 + normal(0.2), 0, 1)) if rng.random() < 0.7 and age > 0.45 else 0.0
    iris_weights = np.array([1.6, 1.8, 1, 0.6, 0.9]) if tone < 0.35 else np.array([4, 2, 0.3, 0.05, 0.03])
    iris = _IRISES[rng.choice(5, p=iris_weights / iris_weights.sum())] * np.exp(normal(0.12))
    bearded = man and rng.random() < 0.42
    made_up = float(rng.random() < 0.75) * rng.random() if not man else 0.0
    lipstick = np.array([0.68, 0.2, 0.24]) * np.exp(rng.normal(0, 0.2, 3))
    as_tuple = lambda c: tuple(float(x) for x in np.clip(c, 0.02, 0.95))  # noqa: E731
    return Identity(
        number=identity,
        seed=int(rng.integers(2**31)),
        masculine=masculine,
        age=age,
        tone=tone,
        warmth=normal(),
        width=normal(0.8) + 0.3 * (masculine - 0.5),
        length=normal(0.8) + 0.6 * (masculine - 0.5),
        jaw=normal(0.8) + 1.6 * (masculine - 0.5),
        chin=normal(0.8) + (masculine - 0.5),
        cheek=normal(),
        hollow=normal(),
        brow_ridge=normal(0.7) + 2 * (masculine - 0.5),
        eye_size=normal(0.8) - 0.8 * (masculine - 0.5),
        eye_open=normal(0.8) - 0.8 * (masculine - 0.5),
        eye_tilt=normal(),
        eye_gap=normal(0.7),
        lid=normal(),
        iris=as_tuple(iris),
        nose_width=normal(0.7) + 0.5 * (masculine - 0.5) + 1.4 * max(tone - 0.45, 0),
        nose_length=normal(0.8),
        nose_height=normal() - max(tone - 0.5, 0),
        nose_bridge=normal(),
        lip_upper=normal(0.7) - 0.6 * (masculine - 0.5) + max(tone - 0.5, 0) - 0.7 * age,
        lip_lower=normal(0.7) - 0.5 * (masculine - 0.5) + max(tone - 0.5, 0) - 0.5 * age,
        mouth_width=normal(0.8),
        mouth_height=normal(0.7),
        brow_thick=normal(0.8) + 1.2 * (masculine - 0.5),
        brow_arch=normal() - (masculine - 0.5),
        brow_height=normal() - 1.2 * (masculine - 0.5),
        brow_slope=normal(),
        hair=hair,
        hair_colour=as_tuple(colour),
        hair_length=normal(),
        hair_curl=normal(),
        parting=float(rng.choice([-1, 1]) * rng.uniform(0.0, 0.5)),
        hairline=normal(),
        recession=float(np.clip(0.35 * masculine * (age * 2 + normal(0.6)), 0, 1)),
        grey=grey,
        beard=float(rng.uniform(0.35, 1)) if bearded else 0.0,
        beard_shape=int(rng.choice(3, p=[0.6, 0.28, 0.12])),
        stubble=float(rng.beta(1.2, 2)) if man else 0.0,
        glasses=int(rng.integers(1, 4)) if rng.random() < 0.10 else 0,
        freckles=float(rng.random() < 0.25) * float(rng.random()) * (1 - tone),
        makeup=float(made_up),
        lipstick=as_tuple(lipstick),
        asymmetry=normal(),
        shine=float(rng.uniform(0.3, 1)),
    )
