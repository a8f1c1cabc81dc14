"""What the face is made of: colour, gloss and the label of every point (u, v) of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from umsn.synthetic.fields import Array, bump, clouds, linear, noise, step
from umsn.synthetic.hair import beard_density, brow_line, brow_x, hairline
from umsn.synthetic.head import Plan, lid_lines, lip_lines
from umsn.synthetic.identity import Identity
from umsn.synthetic.shot import Shot

_TONES = linear(
    [
        [0.95, 0.80, 0.72],
        [0.90, 0.70, 0.58],
        [0.80, 0.58, 0.44],
        [0.64, 0.43, 0.31],
        [0.46, 0.30, 0.21],
        [0.30, 0.19, 0.14],
    ]
)


class Surface(NamedTuple):
    """What a point of the face is."""

    albedo: Array  #: (3, H, W), linear
    gloss: Array  #: (H, W)
    wet: Array  #: (H, W) mirror-like: eyes, teeth, lips
    labels: Array  #: (H, W) uint8
    scalp: Array  #: (H, W) how much hair grows here


def skin_tone(who: Identity) -> Array:
    """The mean colour (3,) of a person's skin, linear."""
    at = who.tone * (len(_TONES) - 1)
    tone = np.array([np.interp(at, range(len(_TONES)), _TONES[:, c]) for c in range(3)], np.float32)
    return tone * np.exp(np.array([0.02, 0.0, -0.05], np.float32) * who.warmth)


def pores(who: Identity, u: Array, v: Array) -> Array:
    """The relief of pores, fine lines and wrinkles, in head units."""
    s = who.seed % 1009
    z = 0.0011 * noise(u * 38 + s, v * 38) + 0.0011 * (0.5 + who.age) * noise(u * 75, v * 75 + s)
    a = np.abs(u)
    forehead = step(-0.36, -0.45, v) * step(-0.95, -0.8, v) * step(0.75, 0.5, a)
    lines = np.sin(v * 52 + 2.2 * noise(u * 2.2 + s, v * 3) + np.cos(u * 3)) * (0.6 + 0.4 * noise(u * 4, v * 9 + s))
    z = z + 0.007 * max(who.age - 0.25, 0) * forehead * lines
    crow = bump(a, v, 0.74, 0.02, 0.07, 0.10)
    angle = np.arctan2(v - 0.0, a - 0.58)
    z = z + 0.006 * (0.15 + who.age) * crow * np.sin(angle * 13 + noise(u * 6, v * 6 + s))
    bags = bump(a, v, 0.46, 0.13, 0.16, 0.05)
    z = z + 0.004 * who.age * bags * np.sin(v * 95 + a * 14 + noise(u * 5 + s, v * 5))
    return z.astype(np.float32)


def surface(who: Identity, shot: Shot, plan: Plan, u: Array, v: Array, z: Array) -> Surface:
    """Colour, gloss and label of the face at the points (u, v, z)."""
    s = who.seed % 1013
    a = np.abs(u)
    tone = skin_tone(who)
    light = 1 - who.tone
    # Melanin and blood in patches, then pores.
    patch = 0.05 * clouds(u * 3 + s, v * 3, 3) + 0.035 * noise(u * 34, v * 34 + s) + 0.035 * noise(u * 70 + s, v * 70)
    blood = (
        0.55 * bump(a, v, 0.58, 0.42, 0.22, 0.2)
        + 0.5 * bump(u, v, 0, plan.nose_tip, 0.17, 0.12)
        + 0.25 * bump(u, v, 0, plan.chin - 0.25, 0.2, 0.12)
    )
    blood += (
        0.3 * bump(a, v, 0.46, 0.07, 0.2, 0.09)
        + 0.12 * clouds(u * 5, v * 5 + s, 2)
        - 0.12 * bump(u, v, 0, -0.6, 0.6, 0.25)
        + 0.9 * who.makeup * bump(a, v, 0.68, 0.40, 0.15, 0.13)
    )
    colour = tone[:, None, None] * np.exp(patch)
    redness = np.array([0.02, -0.22, -0.20], np.float32)[:, None, None] * (0.5 + 0.5 * light)
    colour = colour * np.exp(redness * blood)
    colour *= np.exp(-(0.16 + 0.14 * who.age) * bump(a, v, 0.42, 0.10, 0.17, 0.06))  # under the eyes
    colour *= np.exp(
        -0.12 * bump(a, v, 0.48, -0.11, 0.18, 0.06) * np.array([0.6, 1, 1])[:, None, None] * (1 + 3.5 * who.makeup)
    )
    if who.freckles > 0:
        spots = step(1.0, 1.9, noise(u * 21 + s, v * 21)) * (0.3 + bump(a, v, 0.35, 0.35, 0.4, 0.25))
        colour = colour * np.exp(-np.array([0.25, 0.55, 0.7], np.float32)[:, None, None] * spots * who.freckles)
    moles = step(2.75, 3.1, noise(u * 9 + s, v * 9 + 5))
    colour = colour * (1 - 0.6 * moles)
    gloss = (
        0.5
        + 0.5 * bump(u, v, 0, 0.35, 0.16, 0.4)
        + 0.35 * bump(u, v, 0, -0.6, 0.4, 0.25)
        + 0.3 * bump(a, v, 0.6, 0.3, 0.18, 0.12)
    ) * (1 + 0.25 * noise(u * 50, v * 50))
    gloss = np.maximum(gloss, 0.05) * who.shine
    wet = np.zeros_like(u)
    # Shaven skin, or skin under a beard.
    if who.masculine > 0.5:
        hairs = np.array(who.hair_colour, np.float32)
        hairs = linear(hairs * (1 - who.grey * 0.5) + 0.55 * who.grey * 0.5)
        whole = beard_density(who, plan, u, v) if who.beard > 0 else 0
        shaven = np.clip(
            step(0.75, 0.95, v) * step(0.30, 0.7, v - 0.3 * step(0.9, 0.4, a)) - (v > plan.mouth + 9), 0, 1
        )
        grain = np.clip(0.55 + 0.5 * noise(u * 62 + s, v * 62) + 0.25 * noise(u * 31, v * 31), 0, 1)
        cover = np.clip(
            np.maximum(0.34 * who.stubble * shaven, 0.75 * whole * step(0, 0.3, np.float32(who.beard))) * grain * 1.3,
            0,
            0.9,
        )
        colour = colour * (1 - cover) + hairs[:, None, None] * cover * 1.2
        gloss = gloss * (1 - 0.7 * cover)
    labels = np.ones(u.shape, np.uint8)

    # The nose's label is its outline as annotators draw it; its nostrils are dark.
    t = plan.nose_tip
    wing = np.interp(
        v.ravel(),
        [-0.06, 0.1, t - 0.30, t - 0.1, t + 0.03, t + 0.10, t + 0.15],
        [0.10, 0.10, 0.135, plan.nose_width - 0.03, plan.nose_width + 0.005, plan.nose_width - 0.03, 0.10],
    )
    nose = (a < wing.reshape(v.shape)) & (v > -0.06) & (v < t + 0.155 - 0.03 * (a / plan.nose_width) ** 2)
    labels[nose] = 6
    nostril = bump(a, v, 0.105 * plan.nose_width / 0.27, t + 0.125, 0.048, 0.022)
    colour = colour * (1 - 0.93 * np.clip(1.5 * nostril - 0.25, 0, 1))

    # Brows: skin darkened by what the hairs painted later do not cover.
    x = brow_x(u)
    centre, half = brow_line(plan, who, np.clip(x, 0, 1))
    brow = (np.abs(v - centre) < half * 1.1) & (x > 0.0) & (x < 1.0)
    labels[brow & (u < 0)] = 2
    labels[brow & (u > 0)] = 3
    inside = step(1.25, 0.5, np.abs(v - centre) / np.maximum(half, 1e-3)) * step(-0.02, 0.12, x) * step(1.02, 0.85, x)
    brow_colour = linear(np.array(who.hair_colour) * 0.65 * (1 - 0.5 * who.grey) + 0.25 * who.grey)[:, None, None]
    cover = inside * np.clip(0.42 + 0.1 * who.brow_thick + 0.12 * noise(u * 45, v * 20 + s), 0, 0.85)
    colour = colour * (1 - cover) + brow_colour * cover

    # Lips.
    top, upper, lower, bottom = lip_lines(plan, u)
    mouth = a < plan.mouth_width
    is_upper, is_lower = mouth & (v > top) & (v <= upper), mouth & (v >= lower) & (v < bottom)
    is_inner = mouth & (v > upper) & (v < lower)
    soft = step(-0.012, 0.014, v - top) * step(-0.02, 0.02, bottom - v) * step(0.01, -0.02, a - plan.mouth_width)
    lip = tone * np.array([0.86, 0.52, 0.55], np.float32) * (1 - 0.15 * who.tone)
    lip = lip * (1 - who.makeup * 0.85) + linear(who.lipstick) * who.makeup * 0.85
    crinkle = 1 + 0.10 * noise(u * 55 + s, v * 12) + 0.08 * noise(u * 90, v * 20 + s)
    shape = lip[:, None, None] * crinkle * (1 - 0.18 * (v < upper))
    colour = colour * (1 - soft) + shape * soft
    seam = np.exp(-(((v - 0.5 * (upper + lower)) / (0.014 + 0.5 * (lower - upper) * 0)) ** 2)) * step(
        plan.mouth_width + 0.03, plan.mouth_width - 0.02, a
    )
    colour = colour * (1 - 0.75 * seam * (plan.gap < 0.02))
    labels[is_upper], labels[is_lower], labels[is_inner] = 7, 9, 8
    gloss = gloss * (1 - soft) + soft * (0.9 + 0.8 * who.makeup)
    if plan.gap > 0.004:
        colour, wet = _mouth(who, plan, u, v, upper, lower, is_inner, colour, wet)

    # Eyes.
    for side, label in ((-1, 4), (1, 5)):
        colour, wet, gloss, open_ = _eye(who, shot, plan, side, u, v, colour, wet, gloss)
        labels[open_] = label
    azimuth = np.arctan2(u / 1.06, (z + 0.36) / 1.36)
    edge = (
        hairline(who, azimuth)
        + 0.05 * noise(azimuth * 14 + who.number, azimuth * 0 + s % 97)
        + 0.035 * noise(u * 30, v * 30 + s)
    )
    scalp = step(0.03, -0.05, v - edge) if who.hair != "bald" else np.zeros_like(u)
    if who.hair == "bald":
        scalp = 0.35 * who.stubble * step(0.05, -0.05, v - edge)
    return Surface(colour.astype(np.float32), gloss, wet, labels, scalp)


def _mouth(
    who: Identity, plan: Plan, u: Array, v: Array, upper: Array, lower: Array, inner: Array, colour: Array, wet: Array
) -> tuple[Array, Array]:
    """Teeth below the upper lip, tongue and dark behind."""
    depth = v - upper
    room = np.maximum(lower - upper, 1e-3)
    widths = np.array([-0.40, -0.325, -0.255, -0.18, -0.10, 0.0, 0.10, 0.18, 0.255, 0.325, 0.40])
    gap = np.min(np.abs(u[None] - widths[:, None, None]), 0)
    tooth = 0.105 + 0.012 * np.cos(u * 31) - 0.25 * u * u
    bite = step(tooth, tooth - 0.02, depth)
    enamel = (
        linear([0.90, 0.86, 0.78])[:, None, None]
        * (1 - 0.5 * np.exp(-((gap / 0.008) ** 2)))
        * (1 - 1.6 * np.minimum(np.abs(u), 0.5) ** 2)
        * (0.75 + 0.25 * step(0, 0.04, depth))
    )
    dark = linear([0.25, 0.09, 0.08])[:, None, None] + linear([0.62, 0.30, 0.30])[:, None, None] * 0.6 * step(
        0.45, 0.9, depth / room
    ) * step(0.10, 0.2, room)
    inside = enamel * bite + dark * (1 - bite) * 0.8
    return np.where(inner, inside, colour), np.where(inner, 0.4 * bite, wet)


def _eye(
    who: Identity, shot: Shot, plan: Plan, side: int, u: Array, v: Array, colour: Array, wet: Array, gloss: Array
) -> tuple[Array, Array, Array, Array]:
    """One eye: sclera, iris, pupil, lids' rims, the crease above."""
    ex, ey = plan.eye
    x = (u * side - ex) / plan.eye_width
    y = v - ey
    near = np.abs(x) < 1.6
    top, low = lid_lines(plan, np.clip(x, -1, 1))
    open_ = (np.abs(x) < 1) & (y > top) & (y < low)
    # Iris and pupil in the eye's own plane.
    gx, gy = shot.gaze[0] * plan.eye_width, shot.gaze[1] * plan.eye_width - 0.012
    du, dv = u - side * ex - gx, y - gy
    r = np.hypot(du, dv)
    radius = 0.082
    angle = np.arctan2(dv, du)
    fibres = 1 + 0.30 * noise(angle * 7 + who.number, r * 30) + 0.15 * noise(angle * 15, r * 8)
    iris = (
        linear(who.iris)[:, None, None]
        * fibres
        * (0.75 + 0.7 * step(0.03, 0.065, r))
        * (1 - 0.7 * step(radius - 0.02, radius, r))
        * (1 + 0.5 * step(-0.02, 0.05, dv))
    )
    iris = iris * step(0.026, 0.036, r)
    sclera = (
        linear([0.86, 0.82, 0.80])[:, None, None]
        * np.exp(-np.array([0.0, 0.18, 0.18])[:, None, None] * step(0.55, 1.0, np.abs(x)))
        * (1 - 0.30 * x * x)
    )
    eye = np.where(r < radius, iris, sclera)
    caruncle = bump(x, y - top - 0.02, -0.93, 0, 0.09, 0.04)
    eye = eye * (1 - caruncle) + linear([0.75, 0.42, 0.38])[:, None, None] * caruncle
    eye = eye * (0.25 + 0.75 * step(-0.005, 0.055, y - top))  # in the shade of the lid and lashes
    colour = np.where(open_, eye, colour)
    wet = np.where(open_, 1.0, wet)
    gloss = np.where(open_, 0.0, gloss)
    # Lash lines, and the crease.
    outside = near & ~open_
    rim = (
        np.exp(-(((y - top) / (0.016 + 0.012 * who.makeup)) ** 2))
        * step(1.22, 0.9, np.abs(x))
        * 0.85
        * (y <= top + 0.02)
    )
    rim = np.maximum(rim, (0.28 + 0.4 * who.makeup) * np.exp(-(((y - low) / 0.012) ** 2)) * step(1.12, 0.7, np.abs(x)))
    crease = top - np.maximum(plan.eye_rest - plan.eye_up, 0) - 0.045 - 0.008 * who.lid
    fold = 0.42 * np.exp(-(((y - crease) / 0.013) ** 2)) * step(1.2, 0.7, np.abs(x))
    colour = (
        colour
        * (1 - np.where(outside, rim, 0) * np.array([0.8, 0.9, 0.95])[:, None, None])
        * (1 - np.where(outside, fold, 0) * np.array([0.7, 1, 1])[:, None, None])
    )
    return colour, wet, gloss, open_
