"""The head as a relief: how far each point (u, v) of a face stands out, as a sum of smooth anatomical forms.

Head coordinates: u to the image's right, v down, z towards the viewer; the origin lies between the eyes. One unit is
40 pixels of a 128-pixel window, so that the pupils are at u = +-0.48, the mouth near v = 1.06, the chin near v = 1.8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from umsn.data.synthetic.fields import Array, bump, step
from umsn.data.synthetic.identity import Identity
from umsn.data.synthetic.shot import Shot

BACK = -0.45  #: depth of the plane where the relief ends, about the ears

#: An ellipsoid about the skull, (u, v, z).
CENTRE = np.array([0.0, -0.36, -0.36], np.float32)
RADII = np.array([1.16, 1.30, 1.36], np.float32)


@dataclass(frozen=True)
class Plan:
    """The measures of one face with one expression, in head units; relief, colours and labels are drawn from them."""

    eye: tuple[float, float]  #: (u, v) of the right eye's centre
    eye_width: float  #: half
    eye_up: float
    eye_low: float
    eye_rest: float  #: height of the upper lid when open; the crease stays there when the eye shuts
    eye_tilt: float
    mouth: float  #: v of the line between the lips
    mouth_width: float  #: half
    mouth_curve: float  #: how far the corners rise
    gap: float  #: half the opening
    lip_up: float
    lip_low: float
    chin: float
    drop: float  #: how far the jaw has sunk
    nose_width: float
    nose_tip: float
    brow: float
    brow_thick: float
    smile: float


def plan_of(who: Identity, shot: Shot) -> Plan:
    """The measures of a face at the moment of the photograph."""
    ew = 0.174 + 0.009 * who.eye_size
    rest = 0.094 + 0.011 * who.eye_open + 0.004 * who.eye_size
    low = 0.058 - 0.016 * shot.smile
    up = rest * shot.lids - low * 0.9 * (1 - min(shot.lids, 1)) * (shot.lids < 0.3)
    mouth = 1.06 + 0.022 * who.mouth_height + 0.03 * who.length * 0.5 - 0.02 * shot.smile
    gap = 0.12 * shot.mouth_open
    return Plan(
        eye=(0.48 + 0.014 * who.eye_gap, 0.03),
        eye_width=ew,
        eye_up=up,
        eye_low=low,
        eye_rest=rest,
        eye_tilt=0.05 + 0.05 * who.eye_tilt,
        mouth=mouth,
        mouth_width=0.365 + 0.018 * who.mouth_width + 0.085 * shot.smile,
        mouth_curve=0.005 + 0.085 * shot.smile,
        gap=gap,
        lip_up=0.122 + 0.02 * who.lip_upper - 0.02 * shot.smile,
        lip_low=0.178 + 0.024 * who.lip_lower - 0.02 * shot.smile,
        chin=1.80 + 0.055 * who.length,
        drop=1.6 * gap,
        nose_width=0.27 + 0.022 * who.nose_width + 0.02 * shot.smile,
        nose_tip=0.59 + 0.03 * who.nose_length,
        brow=-0.222 - 0.02 * who.brow_height - 0.025 * shot.brow_raise,
        brow_thick=0.084 + 0.012 * who.brow_thick,
        smile=shot.smile,
    )


def lid_lines(plan: Plan, x: Array) -> tuple[Array, Array]:
    """Upper and lower lid at x in -1 (inner) .. 1 (outer corner): heights below the eye's centre line."""
    inside = np.clip(1 - x * x, 0, 1)
    tilt = -plan.eye_tilt * plan.eye_width * x
    return tilt - plan.eye_up * inside**0.62 * (1 - 0.18 * x), tilt + plan.eye_low * inside**0.8 * (1 + 0.25 * x)


def lip_lines(plan: Plan, u: Array) -> tuple[Array, Array, Array, Array]:
    """The four edges of the mouth at u: upper lip's top and bottom, lower lip's top and bottom, as v."""
    x = np.abs(u) / plan.mouth_width
    inside = np.clip(1 - x * x, 0, 1)
    line = plan.mouth - plan.mouth_curve * x**1.8 + 0.008 * np.cos(np.minimum(x, 1) * 9)
    bow = np.clip(1 - x**1.7, 0, 1) * (1 - 0.22 * np.exp(-((x / 0.14) ** 2)))
    upper = line - plan.gap * 0.5 * inside
    lower = line + plan.gap * 1.5 * inside
    return upper - plan.lip_up * bow, upper, lower, lower + plan.lip_low * inside**0.75


def half_width(who: Identity, plan: Plan, v: Array) -> Array:
    """Half the width of the head at height v."""
    s = 1.08 * (1 + 0.028 * who.width)
    knots = np.array([-1.75, -1.66, -1.45, -1.1, -0.7, -0.3, 0.1, 0.45, 0.8, 1.1, 1.35, 1.55, 1.70, 1.79, 1.85])
    widths = np.array([0, 0.45, 0.80, 0.98, 1.04, 1.06, 1.08, 1.075, 1.02, 0.93, 0.795, 0.62, 0.44, 0.26, 0])
    widths[6:8] += 0.012 * who.cheek
    widths[8:11] += np.array([0.022, 0.042, 0.045]) * who.jaw - 0.006 * who.hollow
    widths[11:14] += np.array([0.034, 0.042, 0.036]) * (0.6 * who.jaw + 0.7 * who.chin)
    knots[8:] *= 1 + (plan.chin - 1.8) / 1.8
    return s * PchipInterpolator(knots, widths, extrapolate=False)(v)


def profile(who: Identity, plan: Plan, v: Array) -> Array:
    """Depth of the middle line at height v, without the nose."""
    knots = np.array([-1.75, -1.6, -1.35, -1.0, -0.6, -0.3, 0.0, 0.4, 0.75, 1.0, 1.28, 1.52, 1.68, 1.79, 1.86])
    depth = np.array([-0.5, 0.1, 0.46, 0.76, 0.92, 0.97, 0.90, 0.95, 0.99, 1.01, 0.97, 1.0, 0.92, 0.72, 0.40])
    depth[11:13] += 0.03 * who.chin
    depth[3] -= 0.03 * who.masculine
    return PchipInterpolator(knots, depth, extrapolate=False)(v)


def nasolabial(a: Array, v: Array, plan: Plan) -> Array:
    """Signed distance at |u| = a from the fold between nose's wing and mouth's corner, positive on the cheek."""
    t = np.clip((v - 0.56) / 0.62, 0, 1.2)
    return a - (plan.nose_width + 0.035 + (plan.mouth_width + 0.13 - plan.nose_width) * np.sin(1.35 * t))


def skewed(who: Identity, u: Array, v: Array) -> Array:
    """u as the symmetric plan has it: nobody's face is quite symmetric."""
    return u + 0.014 * who.asymmetry * np.sin(2.4 * v + who.number)


def relief(who: Identity, plan: Plan, u: Array, v: Array) -> Array:
    """Depth z of the face on a lattice (u, v) (rows of equal v); -3 where there is no head."""
    # The jaw sinks when the mouth opens: what lies below the lips is looked up higher.
    rows = v[:, :1]
    sunk = rows - plan.drop * step(plan.mouth - 0.12, plan.mouth + 0.45, rows)
    w = np.nan_to_num(half_width(who, plan, sunk), nan=1e-3).astype(np.float32)
    centre = np.nan_to_num(profile(who, plan, sunk), nan=-3).astype(np.float32)
    u = skewed(who, u, v)
    a = np.abs(u)
    x = np.minimum(a / np.maximum(w, 1e-3), 1)
    z = centre - (centre - BACK) * (1 - np.sqrt(np.maximum(1 - x ** (2.25 - 0.5 * step(0.4, 1.3, rows)), 0)))
    z += _upper(who, plan, a, v) + _nose(who, plan, a, v, rows) + _lower(who, plan, u, a, v, sunk)
    return np.where((a < w) & (centre > BACK), z, -3).astype(np.float32)


def _upper(who: Identity, plan: Plan, a: Array, v: Array) -> Array:
    """Brow ridge, sockets, eyeballs and lids, temples, cheekbones."""
    ex, ey = plan.eye
    z = (0.045 + 0.016 * who.brow_ridge) * bump(a, v, 0.38, -0.27, 0.30, 0.085)
    z -= 0.11 * bump(a, v, 0.46, -0.03, 0.27, 0.15) + 0.035 * bump(a, v, 0.21, 0.02, 0.08, 0.12)
    z += 0.09 * bump(a, v, ex, ey + 0.01, 0.18, 0.12)
    ux = (a - ex) / plan.eye_width
    top, low = lid_lines(plan, np.clip(ux, -1, 1))
    crease = top - max(plan.eye_rest - plan.eye_up, 0) - 0.05 - 0.008 * who.lid
    z -= 0.020 * np.exp(-(((v - crease) / 0.018) ** 2)) * step(1.25, 0.7, np.abs(ux))
    z += 0.018 * np.exp(-(((v - top) / 0.022) ** 2)) * step(1.15, 0.9, np.abs(ux))
    z -= (0.003 + 0.016 * who.age) * np.exp(-(((v - low - 0.10) / 0.035) ** 2)) * step(1.4, 0.3, np.abs(ux))
    z -= 0.04 * bump(a, v, 0.98, -0.40, 0.10, 0.25)
    z += (0.07 + 0.02 * who.cheek) * bump(a, v, 0.68, 0.42, 0.21, 0.17) + 0.06 * plan.smile * bump(
        a, v, 0.56, 0.52, 0.17, 0.16
    )
    return z - (0.045 + 0.025 * who.hollow) * bump(a, v, 0.74, 0.92, 0.18, 0.22)


def _nose(who: Identity, plan: Plan, a: Array, v: Array, rows: Array) -> Array:
    """A ridge that widens and rises to the tip, a ball, two wings and nostrils."""
    tip, wide = plan.nose_tip, plan.nose_width / 0.27
    t = np.clip((rows + 0.22) / (tip + 0.22), 0, 1.5)
    bridge = 0.025 * who.nose_bridge
    heights = np.array([0, 0.04 + bridge, 0.12 + bridge, 0.205, 0.25, 0.215, 0.11, 0]) * (1 + 0.13 * who.nose_height)
    ridge = PchipInterpolator([0, 0.2, 0.55, 0.86, 1.0, 1.13, 1.26, 1.45], heights)(t).astype(np.float32)
    flank = PchipInterpolator([0, 0.3, 0.7, 1.0, 1.5], [0.16, 0.135, 0.15, 0.18, 0.19])(t).astype(np.float32) * wide
    z = ridge * (0.7 * np.exp(-((a / flank) ** 2)) + 0.3 * np.exp(-((a / (1.9 * flank)) ** 2)))
    z += 0.085 * bump(a, v, 0, tip + 0.01, 0.135 * wide, 0.11)
    z += 0.13 * bump(a, v, plan.nose_width - 0.085, tip + 0.055, 0.078, 0.08)
    groove = np.hypot(a - plan.nose_width + 0.095, v - tip - 0.03) - 0.14
    z -= (
        0.03
        * np.exp(-((groove / 0.03) ** 2))
        * step(plan.nose_width - 0.10, plan.nose_width - 0.01, a)
        * step(tip - 0.17, tip - 0.05, v)
    )
    return z - 0.07 * bump(a, v, 0.10 * wide, tip + 0.115, 0.05, 0.028)


def _lower(who: Identity, plan: Plan, u: Array, a: Array, v: Array, sunk: Array) -> Array:
    """The folds beside the mouth, the muzzle, philtrum, lips and chin."""
    fold = nasolabial(a, v, plan)
    strength = (0.005 + 0.020 * plan.smile + 0.022 * who.age) * step(0.60, 0.76, v) * step(1.30, 0.95, v)
    z = strength * (0.9 * step(-0.04, 0.10, fold) * step(0.40, 0.05, fold) - np.exp(-((fold / 0.04) ** 2)))
    z += 0.07 * bump(u, v, 0, 1.0, 0.34, 0.24)
    z += 0.016 * (bump(a, v, 0.06, 0.86, 0.025, 0.07) - bump(u, v, 0, 0.86, 0.03, 0.075))
    top, upper, lower, bottom = lip_lines(plan, u)
    mw = plan.mouth_width
    y = np.clip((v - top) / np.maximum(upper - top, 1e-3), 0, 1)
    z += 0.10 * np.sqrt(np.maximum(y * (1.06 - y), 0)) * step(mw, mw * 0.5, a)
    y = np.clip((v - lower) / np.maximum(bottom - lower, 1e-3), 0, 1)
    z += 0.14 * np.sqrt(np.maximum(y * (1 - y), 0)) * step(mw, mw * 0.45, a)
    z -= 0.03 * np.exp(-(((v - 0.5 * (upper + lower)) / 0.018) ** 2)) * step(mw + 0.04, mw - 0.03, a)
    z -= 0.025 * bump(a, v, mw + 0.03, plan.mouth - plan.mouth_curve, 0.035, 0.05)
    z -= 0.06 * bump(u, v, 0, plan.mouth + 1.5 * plan.gap + plan.lip_low + 0.07, 0.20, 0.05)
    z += (0.06 + 0.02 * who.chin) * bump(u, sunk, 0, plan.chin - 0.25, 0.20, 0.12)
    return z - (0.02 if who.jaw > 1.2 else 0) * bump(u, sunk, 0, plan.chin - 0.2, 0.03, 0.08)
