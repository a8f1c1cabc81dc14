"""What the face is made of: colour, gloss and the label of every point (u, v) of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umsn.data.synthetic.fields import Array, bump, clouds, linear, noise, rgb, step
from umsn.data.synthetic.hair import beard_density, brow_line, brow_x, hairline
from umsn.data.synthetic.head import CENTRE, RADII, Plan, lip_lines
from umsn.data.synthetic.identity import Identity

#: Skin from very light to very dark.
_TONES = linear(
    [
        [0.91, 0.73, 0.66],
        [0.87, 0.66, 0.57],
        [0.79, 0.57, 0.46],
        [0.63, 0.43, 0.335],
        [0.46, 0.30, 0.23],
        [0.32, 0.205, 0.16],
    ]
)


@dataclass
class Surface:
    """What n points of the face are. Each layer painted over it changes it in place."""

    albedo: Array  #: (3, n), linear
    gloss: Array  #: (n,)
    labels: Array  #: (n,) uint8
    scalp: Array  #: (n,) how densely hair grows here


def skin_tone(who: Identity) -> Array:
    """The mean colour (3, 1) of a person's skin, linear."""
    at = who.tone * (len(_TONES) - 1)
    tone = np.array([np.interp(at, range(len(_TONES)), _TONES[:, c]) for c in range(3)], np.float32)
    return tone[:, None] * np.exp(rgb(0.02, 0.0, -0.06) * who.warmth)


def pores(who: Identity, u: Array, v: Array) -> Array:
    """The relief of pores, fine lines and wrinkles, in head units."""
    s = who.seed % 1009
    z = 0.0007 * noise(u * 38 + s, v * 38) + 0.0008 * (0.4 + who.age) * noise(u * 75, v * 75 + s)
    z += (0.001 + 0.002 * who.age) * noise(u * 9 + s, v * 9)
    a = np.abs(u)
    if who.age > 0.25:
        forehead = step(-0.40, -0.50, v) * step(-0.95, -0.8, v) * step(0.75, 0.4, a)
        lines = np.sin(v * 46 + 2.2 * noise(u * 2.2 + s, v * 3) + np.cos(u * 3)) * np.clip(
            0.4 + 0.6 * noise(u * 3, v * 7 + s), 0, 1
        )
        z += 0.006 * (who.age - 0.25) * forehead * lines
    crow = bump(a, v, 0.76, 0.02, 0.07, 0.10)
    z += 0.005 * (0.1 + who.age) * crow * np.sin(np.arctan2(v, a - 0.58) * 13 + noise(u * 6, v * 6 + s))
    return z.astype(np.float32)


def bare_skin(who: Identity, plan: Plan, u: Array, v: Array) -> Surface:
    """Skin alone: melanin and blood in patches, freckles, moles, shadows under the eyes, make-up, its shine."""
    s, a = who.seed % 1013, np.abs(u)
    light = 1 - who.tone
    patch = 0.045 * clouds(u * 3 + s, v * 3, 3) + 0.014 * noise(u * 34, v * 34 + s) + 0.016 * noise(u * 70 + s, v * 70)
    blood = 0.55 * bump(a, v, 0.60, 0.42, 0.22, 0.2) + 0.5 * bump(u, v, 0, plan.nose_tip, 0.19, 0.12)
    blood += 0.25 * bump(u, v, 0, plan.chin - 0.25, 0.2, 0.12) + 0.15 * bump(a, v, 0.46, 0.09, 0.2, 0.09)
    blood += 0.15 * clouds(u * 5, v * 5 + s, 2) - 0.12 * bump(u, v, 0, -0.6, 0.6, 0.25)
    blood += 0.9 * who.makeup * bump(a, v, 0.70, 0.40, 0.15, 0.13)
    dark = (0.16 + 0.14 * who.age) * bump(a, v, 0.42, 0.13, 0.17, 0.06)
    shadow = 0.06 * (1 + 7 * who.makeup) * bump(a, v, 0.48, -0.12, 0.18, 0.06)
    lid = (0.16 - 0.3 * who.makeup) * bump(a, v, 0.51, -0.10, 0.17, 0.05)
    change = patch - dark + lid + rgb(0.02, -0.22, -0.20) * (0.5 + 0.5 * light) * blood - rgb(0.6, 1, 1) * shadow
    if who.freckles > 0:
        spots = step(0.9, 1.9, noise(u * 23 + s, v * 23)) * (0.25 + bump(a, v, 0.35, 0.35, 0.4, 0.25))
        change -= rgb(0.25, 0.55, 0.7) * spots * who.freckles
    change -= rgb(0.5, 0.8, 0.9) * step(4.0, 4.4, noise(u * 13 + s, v * 13 + 5))
    gloss = (
        0.5
        + 0.5 * bump(u, v, 0, 0.35, 0.16, 0.4)
        + 0.35 * bump(u, v, 0, -0.6, 0.4, 0.25)
        + 0.3 * bump(a, v, 0.6, 0.3, 0.18, 0.12)
    )
    gloss = np.maximum(gloss * (1 + 0.25 * noise(u * 50, v * 50)), 0.05) * who.shine
    return Surface(skin_tone(who) * np.exp(change), gloss, np.ones(u.shape, np.uint8), np.zeros_like(u))


def add_shadow_of_beard(who: Identity, plan: Plan, on: Surface, u: Array, v: Array) -> None:
    """Shaven skin, or the skin under a beard: hairs too fine to be drawn one by one."""
    if who.masculine <= 0.5:
        return
    s, a = who.seed % 1013, np.abs(u)
    hairs = linear(np.array(who.hair_colour) * (1 - who.grey * 0.5) + 0.55 * who.grey * 0.5)[:, None]
    whole = beard_density(who, plan, u, v) if who.beard > 0 else 0
    shaven = step(0.72, 0.95, v) * step(0.30, 0.7, v - 0.3 * step(0.9, 0.4, a))
    grain = np.clip(0.75 + 0.16 * noise(u * 72 + s, v * 72) + 0.12 * noise(u * 31, v * 31), 0, 1)
    cover = np.clip(np.maximum(0.30 * who.stubble * shaven, (0.45 + 0.45 * who.beard) * whole) * grain * 1.3, 0, 0.92)
    on.albedo[:] = on.albedo * (1 - cover) + hairs * cover * 1.2
    on.gloss *= 1 - 0.75 * cover


def add_nose(plan: Plan, on: Surface, u: Array, v: Array) -> None:
    """The nose as annotators outline it, and its nostrils."""
    a, tip, wide = np.abs(u), plan.nose_tip, plan.nose_width
    wing = np.interp(
        v,
        [-0.06, 0.1, tip - 0.30, tip - 0.1, tip + 0.03, tip + 0.10, tip + 0.15],
        [0.10, 0.11, 0.15, wide - 0.02, wide + 0.01, wide - 0.02, 0.12],
    )
    on.labels[(a < wing) & (v > -0.06) & (v < tip + 0.16 - 0.03 * (a / wide) ** 2)] = 6
    nostril = bump(a, v, 0.108 * wide / 0.27, tip + 0.125, 0.046, 0.021)
    on.albedo *= 1 - rgb(0.85, 0.93, 0.95) * np.clip(1.5 * nostril - 0.3, 0, 1)


def add_brows(who: Identity, plan: Plan, on: Surface, u: Array, v: Array) -> None:
    """Skin darkened by brow hairs; the stronger ones are painted later, one by one."""
    s, x = who.seed % 1013, brow_x(u)
    centre, half = brow_line(plan, who, np.clip(x, 0, 1))
    off = np.abs(v - centre) / np.maximum(half, 1e-3)
    brow = (off < 1.0) & (x > 0.0) & (x < 1.0)
    on.labels[brow & (u < 0)], on.labels[brow & (u > 0)] = 2, 3
    inside = step(1.15, 0.35, off) * step(-0.02, 0.14, x) * step(1.02, 0.85, x)
    cover = inside * np.clip(0.45 + 0.1 * who.brow_thick + 0.14 * noise(u * 45, v * 20 + s), 0, 0.85)
    on.albedo[:] = on.albedo * (1 - cover) + brow_colour(who) * cover


def brow_colour(who: Identity) -> Array:
    """(3, 1): brows are darker than the hair and grey later."""
    return linear(np.minimum(np.array(who.hair_colour), 0.5) * 0.7 * (1 - 0.5 * who.grey) + 0.22 * who.grey)[:, None]


def add_lips(who: Identity, plan: Plan, on: Surface, u: Array, v: Array) -> None:
    """Lips, with their creases, and the teeth, tongue and dark between them."""
    s, a = who.seed % 1013, np.abs(u)
    near = np.flatnonzero((a < plan.mouth_width + 0.06) & (np.abs(v - plan.mouth - 0.1) < 0.42))
    u, v, a = u[near], v[near], a[near]
    top, upper, lower, bottom = lip_lines(plan, u)
    mouth = a < plan.mouth_width
    labels = on.labels[near]
    inner = mouth & (v > upper) & (v < lower)
    labels[mouth & (v > top) & (v <= upper)] = 7
    labels[mouth & (v >= lower) & (v < bottom)] = 9
    labels[inner] = 8
    on.labels[near] = labels
    soft = step(-0.018, 0.016, v - top) * step(-0.026, 0.026, bottom - v) * step(0.012, -0.03, a - plan.mouth_width)
    lip = skin_tone(who) * rgb(0.88, 0.58, 0.64) * (1 - 0.15 * who.tone)
    lip = lip * (1 - who.makeup * 0.85) + linear(who.lipstick)[:, None] * who.makeup * 0.85
    crinkle = 1 + 0.09 * noise(u * 55 + s, v * 12) + 0.07 * noise(u * 90, v * 20 + s)
    colour = on.albedo[:, near] * (1 - soft) + lip * crinkle * (1 - 0.18 * (v < upper)) * soft
    if plan.gap < 0.02:
        seam = np.exp(-(((v - 0.5 * (upper + lower)) / 0.016) ** 2)) * step(
            plan.mouth_width + 0.03, plan.mouth_width - 0.02, a
        )
        colour *= 1 - 0.8 * seam
    on.gloss[near] = on.gloss[near] * (1 - soft) + soft * (0.9 + 0.8 * who.makeup)
    if inner.any():
        depth, room = v - upper, np.maximum(lower - upper, 1e-3)
        edges = np.array([-0.40, -0.325, -0.255, -0.18, -0.10, 0.0, 0.10, 0.18, 0.255, 0.325, 0.40], np.float32)
        gap = np.min(np.abs(u - edges[:, None]), 0)
        # The teeth stay with the skull; the lips part before them.
        edge = plan.mouth + 0.135 + 0.006 * np.cos(u * 31) - (0.25 + 2 * plan.mouth_curve) * u * u - 0.5 * plan.gap
        bite = step(edge, edge - 0.02, v)
        white = 0.95 * linear([0.92, 0.88, 0.82])[:, None] * (1 - 0.10 * who.age)
        enamel = (
            white
            * (1 - 0.32 * np.exp(-((gap / 0.010) ** 2)))
            * (1 - 1.7 * np.minimum(a, 0.45) ** 2)
            * (0.7 + 0.3 * step(0, 0.05, depth))
        )
        dark = linear([0.25, 0.09, 0.08])[:, None] + linear([0.62, 0.30, 0.30])[:, None] * 0.6 * step(
            0.45, 0.9, depth / room
        ) * step(0.10, 0.2, room)
        colour = np.where(inner, enamel * bite + dark * (1 - bite) * 0.8, colour)
        on.gloss[near] *= np.where(inner, 0.6, 1)
    on.albedo[:, near] = colour


def add_scalp(who: Identity, on: Surface, u: Array, v: Array, z: Array) -> None:
    """Where the hair of the head grows."""
    azimuth = np.arctan2(u / RADII[0], (z - CENTRE[2]) / RADII[2])
    ragged = 0.035 * noise(azimuth * 14 + who.number, azimuth * 0 + who.seed % 97)
    edge = hairline(who, azimuth) + ragged + 0.025 * noise(u * 95, v * 20 + who.seed % 1013)
    if who.hair == "bald":
        on.scalp[:] = 0.35 * who.stubble * step(0.05, -0.08, v - edge)
    else:
        on.scalp[:] = step(0.10, -0.16, v - edge)
