"""Eyes: white, iris, pupil, the lids' dark rims and the crease above."""

from __future__ import annotations

import numpy as np

from umsn.data.synthetic.fields import Array, bump, linear, noise, rgb, step, unit
from umsn.data.synthetic.head import Plan, lid_lines
from umsn.data.synthetic.identity import Identity
from umsn.data.synthetic.light import Light
from umsn.data.synthetic.shot import Shot
from umsn.data.synthetic.skin import Surface

_IRIS = 0.093  #: radius, head units
_BALL = 0.17  #: of the eyeball, from its centre to the iris


def add_eyes(who: Identity, shot: Shot, plan: Plan, on: Surface, u: Array, v: Array) -> None:
    """Paint both eyes over the skin; 4 is the left one in the image.

    who, shot, plan: the person, the photograph, and the measures that follow from them
    on: n points of the face, changed in place
    u, v: (n,) each, where these points lie, in head coordinates
    """
    for side, label in ((-1, 4), (1, 5)):
        near = np.flatnonzero(
            (np.abs(u * side - plan.eye[0]) < 1.8 * plan.eye_width) & (np.abs(v - plan.eye[1]) < 0.34)
        )
        colour, inside = _eye(who, shot, plan, side, u[near], v[near], on.albedo[:, near])
        on.albedo[:, near] = colour
        on.labels[near[inside]] = label
        on.gloss[near] *= ~inside


def _eye(who: Identity, shot: Shot, plan: Plan, side: int, u: Array, v: Array, skin: Array) -> tuple[Array, Array]:
    ex, ey = plan.eye
    x, y = (u * side - ex) / plan.eye_width, v - ey
    top, low = lid_lines(plan, np.clip(x, -1, 1))
    inside = (np.abs(x) < 1) & (y > top) & (y < low)
    # A gaze of (0, 0) meets the camera's, whichever way the head is turned.
    du = u - side * ex - shot.gaze[0] * plan.eye_width + _BALL * np.sin(np.deg2rad(shot.yaw))
    dv = y - shot.gaze[1] * plan.eye_width + _BALL * np.sin(np.deg2rad(shot.pitch)) + 0.012
    r, angle = np.hypot(du, dv), np.arctan2(dv, du)
    fibres = 1 + 0.30 * noise(angle * 7 + who.number, r * 30) + 0.15 * noise(angle * 15, r * 8)
    iris = linear(who.iris)[:, None] * fibres * (0.45 + 0.6 * step(0.03, 0.065, r)) * (1 + 0.5 * step(-0.02, 0.05, dv))
    iris *= (1 - 0.75 * step(_IRIS - 0.025, _IRIS, r)) * step(0.028, 0.038, r)
    white = (
        linear([0.70, 0.66, 0.64])[:, None]
        * np.exp(-rgb(0.0, 0.18, 0.18) * step(0.55, 1.0, np.abs(x)))
        * (1 - 0.30 * x * x)
    )
    eye = np.where(r < _IRIS, iris, white)
    corner = bump(x, y - top - 0.02, -0.93, 0, 0.09, 0.04)
    eye = eye * (1 - corner) + linear([0.75, 0.42, 0.38])[:, None] * corner
    eye = eye * (0.18 + 0.82 * step(-0.005, 0.065, y - top)) * (0.75 + 0.25 * step(0, 0.03, low - y))
    outer = 1 + 0.5 * step(0.2, 1.0, x)
    thick = outer * (0.020 + 0.006 * (1 - who.masculine) + 0.012 * who.makeup)
    rim = 0.9 * np.exp(-(((y - top) / thick) ** 2)) * step(1.25, 0.9, np.abs(x)) * (y <= top + 0.02)
    rim = np.maximum(rim, (0.30 + 0.4 * who.makeup) * np.exp(-(((y - low) / 0.013) ** 2)) * step(1.12, 0.7, np.abs(x)))
    crease = top - max(plan.eye_rest - plan.eye_up, 0) - 0.048 - 0.008 * who.lid
    fold = 0.30 * np.exp(-(((y - crease) / 0.013) ** 2)) * step(1.25, 0.7, np.abs(x))
    skin = skin * (1 - rim * rgb(0.8, 0.9, 0.95)) * (1 - fold * rgb(0.7, 1, 1))
    return np.where(inside, eye, skin), inside


def glints(plan: Plan, light: Light, face: Surface, u: Array, v: Array) -> Array:
    """The key light mirrored in the eyeballs, (3, n)."""
    out = np.zeros((3, len(u)), np.float32)
    eye = np.flatnonzero((face.labels == 4) | (face.labels == 5))
    du, dv = (np.abs(u[eye]) - plan.eye[0]) * np.sign(u[eye]), v[eye] - plan.eye[1]
    ball = unit(np.stack([du / 0.28, dv / 0.28, np.ones_like(du)]))
    towards = unit((light.head * 0.7 + light.view)[:, None])[:, 0]
    out[:, eye] = 2.2 * light.key * np.clip(towards @ ball, 0, 1) ** 320
    return out
