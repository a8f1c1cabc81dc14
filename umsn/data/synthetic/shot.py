"""How a person is photographed: everything about an image that is not the person."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from umsn.data.synthetic.identity import stream
from umsn.files import InputError

EXPRESSIONS = ("neutral", "smile", "open", "blink")
OCCLUSIONS = (None, "hand", "sunglasses")
BACKGROUNDS = ("photograph", "blurred", "gradient", "plain")


@dataclass(frozen=True)
class Shot:
    """One photograph. Angles in degrees; positive yaw turns the face to the image's right, positive pitch down."""

    seed: int  #: of the noise that is this photograph's own
    yaw: float
    pitch: float
    roll: float
    smile: float  #: 0..1
    mouth_open: float  #: 0..1
    lids: float  #: 1 open .. 0 shut
    brow_raise: float  #: about N(0, 1)
    gaze: tuple[float, float]  #: of the irises, in units of the eye's half width; (0, 0) looks into the camera
    light_azimuth: float
    light_elevation: float
    key: float  #: share of the light that comes from the key, 0..1
    temperature: float  #: of the key light, -1 (blue) .. 1 (orange)
    exposure: float  #: about N(0, 1)
    softness: float  #: s.d. of the lens blur in pixels
    noise: float  #: s.d. of the sensor noise at mid grey, 0..1
    shift: tuple[float, float]  #: pixels
    scale: float  #: 1 frames the face as the data sets do
    cloth: tuple[float, float, float]
    darkness: float = 0.0  #: 0 day .. 1 low light, nearly three stops less and three times the noise
    occlusion: str | None = None
    hand_raised: float = 0.0  #: how much higher than usual an occluding hand is, in units of half a face's width
    background: str = "photograph"
    expression: str = "neutral"


def _cloth(rng: np.random.Generator) -> tuple[float, float, float]:
    """A colour to wear, linear: black, white, or something between with a hue."""
    level = float(rng.choice([0.02, 0.05, 0.15, 0.35, 0.75], p=[0.2, 0.2, 0.25, 0.17, 0.18]))
    r, g, b = level * np.exp(rng.normal(0, 0.08 if level in (0.02, 0.75) else 0.4, 3))
    return float(r), float(g), float(b)


def shot_of(identity: int, shot: int, seed: int, overrides: dict[str, Any]) -> Shot:
    """Photograph number ``shot`` of a person, with any field replaced. Raises InputError for an unknown override."""
    known = {f.name for f in fields(Shot)} - {"seed"}
    for name in overrides:
        if name not in known:
            raise InputError(f"{name}: no such override of a synthetic face; known are {', '.join(sorted(known))}")
    for name, choices in (
        ("expression", EXPRESSIONS),
        ("occlusion", OCCLUSIONS),
        ("background", BACKGROUNDS),
    ):
        if name in overrides and overrides[name] not in choices:
            raise InputError(f"{name}={overrides[name]!r}: expected one of {', '.join(map(str, choices))}")
    if not 0 <= overrides.get("darkness", 0) <= 1:
        raise InputError(f"darkness={overrides['darkness']!r}: 0 (day) to 1 (low light) expected")
    rng = stream(seed, 2, identity, shot)
    normal = lambda spread=1.0: float(np.clip(rng.standard_normal(), -2.5, 2.5)) * spread  # noqa: E731
    expression = overrides.get("expression", str(rng.choice(EXPRESSIONS, p=[0.36, 0.50, 0.11, 0.03])))
    smile = {
        "neutral": rng.uniform(0, 0.3),
        "smile": rng.uniform(0.4, 1),
        "open": rng.uniform(0, 0.4),
        "blink": rng.uniform(0, 0.6),
    }[expression]
    # A wide smile shows teeth more often than not.
    parted = smile * rng.uniform(0.4, 1.0) * (rng.random() < 0.85) if expression == "smile" else 0.0
    opened = rng.uniform(0.25, 0.9) if expression == "open" else parted + (rng.random() < 0.2) * rng.uniform(0, 0.12)
    lids = 0.0 if expression == "blink" else float(np.clip(1 + normal(0.1) - 0.22 * smile, 0.5, 1.2))
    drawn = Shot(
        seed=int(rng.integers(2**31)),
        yaw=float(np.clip(normal(11.0), -25, 25)),
        pitch=normal(5.0),
        roll=normal(2.0),
        smile=float(smile),
        mouth_open=float(opened),
        lids=lids,
        brow_raise=normal(),
        gaze=(normal(0.10), normal(0.05)) if rng.random() < 0.8 else (normal(0.30), normal(0.12)),
        light_azimuth=normal(32.0),
        light_elevation=22 + normal(15.0),
        key=float(rng.uniform(0.45, 0.9)),
        temperature=normal(0.4),
        exposure=normal(0.8),
        softness=float(rng.uniform(0.25, 0.55)),
        noise=float(rng.uniform(0.003, 0.015)),
        shift=(normal(1.0), normal(1.0)),
        scale=1 + normal(0.02),
        cloth=_cloth(rng),
        background=str(rng.choice(BACKGROUNDS, p=[0.25, 0.45, 0.15, 0.15])),
        expression=expression,
    )
    return replace(drawn, **overrides)
