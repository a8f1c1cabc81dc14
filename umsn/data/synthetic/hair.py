"""Hair styles: where the roots are, which way they are combed, how long they are; and beards, brows and lashes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from umsn.data.synthetic.camera import Grid
from umsn.data.synthetic.fields import Array, bump, linear, noise, step, unit
from umsn.data.synthetic.head import CENTRE, RADII, Plan, lid_lines, plan_of, relief
from umsn.data.synthetic.identity import Identity, stream
from umsn.data.synthetic.shot import shot_of
from umsn.data.synthetic.strands import Strands, clumped, grow

#: length, weight (pull of gravity), stiffness, clumping, curl, turns, thickness of the whole, strands
_STYLES = {
    "buzz": (0.05, 0.0, 2.0, 0.0, 0.0, 0, 0.01, 8000),
    "short": (0.46, 0.2, 0.9, 0.3, 0.006, 2, 0.17, 5600),
    "swept": (0.70, 0.12, 0.9, 0.3, 0.01, 1, 0.20, 5600),
    "curly": (0.75, 0.25, 0.9, 0.6, 0.05, 4, 0.20, 5600),
    "afro": (0.55, 0.0, 1.2, 0.3, 0.04, 5, 0.30, 9000),
    "bob": (1.75, 0.8, 0.7, 0.5, 0.02, 1.2, 0.20, 5600),
    "long": (2.9, 0.9, 0.7, 0.5, 0.03, 1.6, 0.20, 5600),
    "wavy": (2.8, 0.8, 0.75, 0.5, 0.07, 3.2, 0.22, 5600),
    "tied": (1.0, 0.1, 0.5, 0.2, 0.004, 1, 0.05, 5600),
    "fringe": (2.3, 0.9, 0.7, 0.25, 0.012, 1.5, 0.15, 5600),
}


def hairline(who: Identity, azimuth: Array) -> Array:
    """The lowest v at which hair grows, by azimuth about the head: 0 at the front, +-pi/2 over the ears, pi behind."""
    corner = -0.88 - 0.35 * who.recession
    front = -1.0 - 0.10 * who.hairline - 0.16 * who.recession
    side = 0.25 if who.masculine > 0.5 else 0.1
    a = [0, 0.30, 0.55, 0.80, 0.98, 1.12, 1.30, 1.5, 1.8, 2.2, np.pi]
    return np.interp(
        np.abs(azimuth), a, [front, front + 0.01, corner, -0.66, -0.30, side - 0.2, side, -0.15, -0.1, 0.75, 1.0]
    ).astype(np.float32)


def _scalp(who: Identity, count: int, rng: np.random.Generator) -> Array:
    """Roots (3, n) on the head above the hairline, evenly spread."""
    shot = replace(shot_of(0, 0, 0, {}), smile=0.0, mouth_open=0.0, lids=1.0)
    grid = Grid(-1.35, 1.35, -1.8, 1.2, 20)
    z = relief(who, plan_of(who, shot), grid.u, grid.v)
    d = unit(rng.standard_normal((3, count * 3), dtype=np.float32))
    p = CENTRE[:, None] + d * RADII[:, None]
    # In front the roots are in the forehead's skin.
    skin = grid.read(z, p[0], p[1])
    p[2] = np.where((p[2] > 0) & (skin > 0), np.minimum(skin, p[2] + 0.2), p[2])
    azimuth = np.arctan2(p[0] / RADII[0], (p[2] - CENTRE[2]) / RADII[2])
    edge = hairline(who, azimuth) + 0.035 * noise(azimuth * 14 + who.number, azimuth * 0 + who.seed % 97)
    thin = (rng.random(count * 3) > 0.9 * who.recession * step(-1.2, -1.5, p[1])) if who.recession > 0.4 else True
    return p[:, (p[1] < edge) & thin][:, :count]


def guides_of(who: Identity) -> Array:
    """The guides (3, n, t) of a person's hair style."""
    rng = stream(who.seed, 11)
    length, weight, stiff, _, _, _, thick, _ = _STYLES[who.hair]
    roots = _scalp(who, 1100, rng)
    n = roots.shape[1]
    out = unit((roots - CENTRE[:, None]) / RADII[:, None] ** 2)
    part = who.parting
    top = step(-0.4, -1.1, roots[1])
    side = np.where(roots[0] > part * 0.9, 1, -1).astype(np.float32)
    zero = np.zeros(n, np.float32)
    front = step(0.1, 0.8, roots[2]) * step(-0.7, -1.05, roots[1])
    lengths = np.full(n, length * (1 + 0.15 * who.hair_length), np.float32) * rng.uniform(0.8, 1.05, n).astype(
        np.float32
    )
    if who.hair in ("bob", "long", "wavy", "fringe"):
        comb = np.stack([side * (1.2 - 0.5 * np.abs(roots[0])), 0.4 + zero, -0.25 - 0.5 * front * (who.hair_curl > 0)])
        if who.hair == "fringe":
            cut = (np.abs(roots[0]) < 0.62) & (roots[2] > 0.25) & (roots[1] < -0.8)
            comb[:, cut] = np.stack([roots[0] * 0.25, 1.0 + zero, 1.1 + zero])[:, cut]
            lengths[cut] = (0.78 + 0.05 * who.hair_length + 0.45 * np.clip(-1.0 - roots[1], 0, 1))[cut] * rng.uniform(
                0.92, 1.04, cut.sum()
            )
    elif who.hair == "tied":
        comb = np.stack([roots[0] * 0.1, -0.15 + zero, -1.3 + zero])
    elif who.hair == "swept":
        comb = np.stack([0.7 * np.sign(part) + zero, -0.5 * front, -0.8 + zero])
        lengths *= 0.35 + 0.65 * top
    elif who.hair == "short":
        forward = 0.9 if who.hair_curl > 0.3 else -0.4
        comb = np.stack(
            [0.4 * np.sign(part) + 0.2 * roots[0], 0.7 * forward * front + 0.7 * (1 - front), forward * 0.6 + zero]
        )
        lengths *= 0.3 + 0.7 * top
    else:
        comb = out.copy()
        if who.hair == "curly":
            lengths *= 0.6 + 0.4 * step(0.0, -1.2, roots[1])
    comb = comb.astype(np.float32) + 0.12 * rng.standard_normal((3, n), dtype=np.float32)
    lift = (thick * (0.35 + 0.65 * top if length < 0.7 else 1) * rng.random(n, dtype=np.float32) ** 0.7)[None]
    start = out * (0.5 if who.hair != "tied" else 0.1) + comb * 0.4
    if who.hair in ("afro", "buzz"):
        start = out
    frame = None
    if who.hair in ("bob", "long", "wavy", "fringe"):
        free = np.zeros(n, bool) if who.hair != "fringe" else cut
        frame = np.where(free, 0, side * (0.92 + 0.07 * rng.standard_normal(n))).astype(np.float32)
    steps = 64 if length > 1.5 else 36 if length > 0.2 else 8
    return grow(
        roots,
        start,
        comb,
        lengths,
        steps,
        weight=weight,
        stiff=stiff,
        lift=lift,
        rng=rng,
        frame=frame,
        wiggle=0.35 if who.hair in ("afro", "curly") else 0.05,
    )


@lru_cache(maxsize=4)
def hair_of(who: Identity) -> Strands | None:
    """All strands of a person's hair, None for the bald. The same in each photograph."""
    if who.hair == "bald":
        return None
    _, _, _, clump, curl, turns, _, count = _STYLES[who.hair]
    rng = stream(who.seed, 12)
    guides = guides_of(who)
    curl = curl * float(np.exp(0.35 * who.hair_curl))
    return clumped(guides, count, clump, curl, turns, rng)


def hair_colour(who: Identity) -> Array:
    """The colour (3, 1) of the hair, greyed, linear."""
    return linear(np.array(who.hair_colour) * (1 - who.grey) + np.array([0.68, 0.67, 0.66]) * who.grey)[:, None]


def brow_line(plan: Plan, who: Identity, x: Array) -> tuple[Array, Array]:
    """Centre height and half thickness of a brow at x in 0 (inner end) .. 1 (tail)."""
    arch = 0.075 + 0.025 * who.brow_arch
    centre = (
        plan.brow
        + 0.03
        - 0.02 * step(0.3, 0.0, x)
        - 0.02 * who.brow_slope * (x - 0.5)
        - arch * np.maximum(np.sin(np.pi * np.clip(x, 0, 1) ** 1.25), 0) ** 1.2
        + 0.07 * np.clip(x - 0.7, 0, 1)
    )
    return centre, plan.brow_thick * np.clip(1.1 - 0.8 * x, 0.1, 1) * step(-0.05, 0.12, x)


def brow_x(u: Array) -> Array:
    """Position along the brow of a point at |u|."""
    return (np.abs(u) - 0.19) / 0.62


def brow_hairs(who: Identity, plan: Plan, rng: np.random.Generator) -> Array:
    """Brow hairs as curves (3, n, t): (u, v, height above the skin)."""
    n = int(260 + 60 * who.brow_thick)
    x = rng.random(n).astype(np.float32)
    centre, half = brow_line(plan, who, x)
    v = centre + half * rng.uniform(-1, 1, n)
    angle = np.interp(x, [0, 0.3, 1], [-1.3, -0.5, 0.25]) + 0.2 * rng.standard_normal(n)
    t = np.linspace(0, 1, 7)
    length = 0.09 * rng.uniform(0.6, 1.2, n)
    u = 0.19 + 0.62 * x
    uu = u[:, None] + length[:, None] * np.cos(angle)[:, None] * t
    vv = v[:, None] + length[:, None] * (np.sin(angle)[:, None] * t + 0.35 * t * t)
    sign = rng.choice([-1, 1], n)[:, None]
    return np.stack([uu * sign, vv, np.full_like(uu, 0.01)]).astype(np.float32)


def lashes(plan: Plan, who: Identity, rng: np.random.Generator) -> Array:
    """Lashes (3, n, t): (u, v, height above the skin)."""
    n = 90
    x = rng.uniform(-0.85, 1.0, n).astype(np.float32)
    top, low = lid_lines(plan, x)
    upper = rng.random(n) < 0.72
    length = np.where(upper, 0.05 + 0.03 * (1 - who.masculine), 0.025) * rng.uniform(0.7, 1.2, n)
    t = np.linspace(0, 1, 6)
    uu = plan.eye[0] + plan.eye_width * x[:, None] + length[:, None] * (0.3 + 0.6 * x[:, None]) * t
    closed = plan.eye_up < 0
    direction = np.where(upper & (not closed), -1.0, 1.0)[:, None]
    vv = np.where(upper, top, low)[:, None] + plan.eye[1] + length[:, None] * direction * (t**1.5)
    sign = rng.choice([-1, 1], n)[:, None]
    return np.stack([uu * sign, vv, 0.02 + length[:, None] * 0.8 * t]).astype(np.float32)


def beard_density(who: Identity, plan: Plan, u: Array, v: Array) -> Array:
    """How densely a beard grows at (u, v), 0..1."""
    a = np.abs(u)
    m, w = plan.mouth, plan.mouth_width
    line = 0.58 + 0.5 * step(1.0, 0.45, a)  # the upper edge on the cheek, lowest beside the mouth
    jaw = step(line, line + 0.24, v) * step(0.34, 0.50, a) + step(m + 0.24, m + 0.36, v)
    goatee = step(0.46, 0.26, a) * step(m + 0.22, m + 0.32, v)
    ring = bump(a, v, w + 0.07, m + 0.04, 0.05, 0.13)
    nose = plan.nose_tip + 0.16
    lip = (
        step(w + 0.12, w - 0.06, a)
        * step(nose, nose + 0.09, v + 0.10 * (a / w) ** 2)
        * step(m + 0.05 + 0.1 * a, m - 0.07, v)
    )
    lip = lip * (1 - 0.6 * np.exp(-((u / 0.04) ** 2)))
    parts = {0: jaw + ring + lip + goatee, 1: goatee + ring + lip, 2: lip}[who.beard_shape]
    return np.clip(parts, 0, 1)


def beard_hairs(who: Identity, plan: Plan, rng: np.random.Generator) -> Array:
    """The hairs of a beard as curves (3, n, t): (u, v, height above the skin)."""
    n = int(9000 * who.beard)
    u, v = rng.uniform(-1.05, 1.05, n).astype(np.float32), rng.uniform(0.5, 1.85, n).astype(np.float32)
    keep = rng.random(n) < beard_density(who, plan, u, v)
    u, v = u[keep], v[keep]
    t = np.linspace(0, 1, 4, dtype=np.float32)
    length = (0.03 + 0.10 * who.beard**2) * rng.uniform(0.6, 1.3, len(u))[:, None]
    lean = 0.5 * u[:, None] + 0.5 * rng.standard_normal((len(u), 1))
    return np.stack([u[:, None] + length * lean * t, v[:, None] + length * t, 0.01 + 0.5 * length * t]).astype(
        np.float32
    )
