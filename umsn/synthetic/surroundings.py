"""What is not the face: the background, and the neck, ears, shoulders and clothes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import skimage.data
from scipy import ndimage

from umsn.synthetic.camera import Camera, Grid
from umsn.synthetic.fields import Array, clouds, linear, noise, rgb, spread, step, unit
from umsn.synthetic.head import Plan, half_width
from umsn.synthetic.identity import Identity
from umsn.synthetic.light import Light, moved
from umsn.synthetic.shot import Shot
from umsn.synthetic.skin import skin_tone
from umsn.synthetic.strands import CENTRE, RADII

_PHOTOGRAPHS = (
    "astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel", "stereo_motorcycle", "camera", "coins", "hubble_deep_field", "retina",
)  # fmt: skip


@lru_cache(maxsize=len(_PHOTOGRAPHS))
def _photograph(name: str) -> Array:
    """One of scikit-image's bundled photographs at about 400 pixels, (3, h, w), linear."""
    picture = getattr(skimage.data, name)()
    picture = picture[0] if name == "stereo_motorcycle" else picture
    picture = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture[..., :3]
    if name == "astronaut":
        picture = picture[230:]  # without her face
    skip = max(1, min(picture.shape[:2]) // 400)
    return linear(picture[::skip, ::skip].transpose(2, 0, 1).astype(np.float32) / 255)


def background(shot: Shot, side: int, rng: np.random.Generator) -> Array:
    """A crop of a photograph, sharp or out of focus, a gradient or a wall: (3, side, side), linear."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    if shot.background in ("photograph", "blurred"):
        photo = _photograph(str(rng.choice(_PHOTOGRAPHS)))
        cut = int(min(photo.shape[1:]) * rng.uniform(0.45, 1.0))
        i, j = rng.integers(photo.shape[1] - cut + 1), rng.integers(photo.shape[2] - cut + 1)
        crop = photo[:, i : i + cut, j : j + cut]
        crop = crop[:, :, ::-1] if rng.random() < 0.5 else crop
        blur = rng.uniform(0.01, 0.05) * cut if shot.background == "blurred" else rng.uniform(0, 0.5)
        crop = spread(crop, blur) if blur > 2 else ndimage.gaussian_filter(crop, (0, blur, blur))
        scene = Grid(0, 1, 0, 1, cut).read(np.ascontiguousarray(crop), x.ravel(), y.ravel()).reshape(3, side, side)
        return (
            scene[rng.permutation(3)] * np.float32(rng.uniform(0.5, 1.3))
            if rng.random() < 0.3
            else scene * np.float32(np.exp(rng.normal(0, 0.6)))
        )
    colour = linear(np.clip(rng.choice([0.06, 0.2, 0.5, 0.8, 0.97]) * np.exp(rng.normal(0, 0.12, 3)), 0.02, 1))
    angle = rng.uniform(0, 2 * np.pi)
    if shot.background == "gradient":
        ramp = (np.cos(angle) * x + np.sin(angle) * y) * np.float32(rng.uniform(0.2, 1.2))
    else:
        ramp = 0.15 * clouds(x * 3 + np.float32(rng.uniform(0, 99)), y * 3, 3)
    grain = 0.03 * noise(x * side / 2.3, y * side / 2.3) + 0.03 * noise(x * side / 5, y * side / 5)
    return colour[:, None, None] * np.exp(ramp + grain)


def add_body(
    who: Identity,
    shot: Shot,
    camera: Camera,
    light: Light,
    rays: tuple[Array, Array],
    hit: Array,
    unit_: float,
    picture: Array,
    solid: Array,
) -> None:
    """Paint neck, shoulders and clothes over the picture, in the head's shade; ``unit_`` samples are one head unit."""
    side = hit.shape[1]
    first = max(0, int(np.flatnonzero(hit.any(1))[-1] - 0.9 * unit_)) if hit.any() else 0
    cast = spread(hit.astype(np.float32), 0.10 * unit_)
    cast = moved(cast, -int(0.16 * unit_), int(0.15 * light.seen[0] * unit_))[first:]
    u, v, _ = camera.at_depth((rays[0][first:], rays[1][first:]), np.float32(-0.5))
    a = np.abs(u)
    radius = 0.74 + 0.22 * (who.masculine - 0.5) + 0.015 * who.width + 0.10 * step(1.9, 2.5, v) ** 2
    nx = u / radius
    round_ = np.sqrt(np.maximum(1 - nx * nx, 0.02))
    normal = unit(np.stack([nx, 0.15 * np.abs(nx), round_]))
    nl = np.tensordot(light.head, normal, 1)
    relief = (
        0.12 * np.exp(-(((a - 0.36 + 0.18 * (v - 1.6)) / 0.06) ** 2))
        + 0.03 * noise(u * 40, v * 40)
        + 0.05 * clouds(u * 4, v * 6, 2)
    )
    col = lambda c: c[:, :, None]  # noqa: E731
    flesh = col(skin_tone(who) * rgb(1, 0.96, 0.95)) * np.exp(relief - 0.08)
    fell = col(light.key) * (np.clip(nl + 0.15, 0, 1) * (1 - 0.85 * cast)) + col(light.above + light.below) * 0.5 * (
        1 - 0.55 * cast
    )
    view, deep = picture[:, first:], solid[first:]
    neck = (np.abs(nx) < 1) & (v > 0.9)
    view[:] = np.where(neck, flesh * fell, view)
    deep[:] = np.where(neck, -0.6 + 0.6 * normal[2], deep)

    rng = np.random.default_rng(shot.seed)
    line = (
        rng.uniform(1.55, 2.15)
        + 0.30 * a**1.3
        + rng.uniform(0.0, 0.7) * step(0.75, 0.0, a)
        + 0.02 * noise(u * 9, v * 2)
    )
    shoulder = rng.uniform(1.45, 1.85) + 0.45 * np.maximum(a - 0.6, 0)
    cloth = (v > line) & (v > shoulder)
    skin = (v > shoulder) & ~cloth & (a > 0.5)
    weave = (
        1
        + 0.12 * np.sin(u * 88) * np.sin(v * 88)
        + 0.10 * noise(u * 60, v * 30)
        + 0.25 * clouds(u * 5 + v * 3, v * 2, 2)
    )
    if rng.random() < 0.3:
        weave *= 0.85 + 0.3 * (np.sin(u * np.float32(rng.uniform(20, 60)) + np.float32(rng.uniform(0, 9))) > 0)
    fell = light.key * np.clip(0.3 + 0.5 * light.seen[2], 0.1, 1) + 0.5 * (light.above + light.below)
    fabric = (
        col(np.array(shot.cloth, np.float32)[:, None] * fell)
        * np.maximum(weave, 0.2)
        * (1 - 0.5 * step(0.10, 0.0, v - line))
    )
    view[:] = np.where(skin, flesh * col(fell) * (1 - 0.5 * cast), view)
    view[:] = np.where(cloth, fabric, view)
    deep[:] = np.where(cloth | skin, np.maximum(deep, -1.2), deep)
    assert side == picture.shape[2]


def add_skull(
    who: Identity,
    camera: Camera,
    light: Light,
    rays: tuple[Array, Array],
    fill: Array,
    picture: Array,
    labels: Array,
    solid: Array,
) -> None:
    """Paint the back of the head, which the relief lacks, as an ellipsoid behind it; ``fill`` (3, 1) is the hair's colour."""
    u, v, _ = camera.at_depth(rays, np.float32(camera.turned(*CENTRE)[2]))
    x, y = u / RADII[0], (v - CENTRE[1]) / RADII[1]
    r = x * x + y * y
    rows, columns = np.nonzero((r < 1) & (v < 0.45))
    x, y, r, v = x[rows, columns], y[rows, columns], r[rows, columns], v[rows, columns]
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - r, 0))])
    fell = light.key * np.clip(light.head @ normal, 0, 1) + light.ambient(normal[1])
    hairy = (v < -0.1) & (who.hair != "bald")
    picture[:, rows, columns] = np.where(hairy, 0.3 * fill, skin_tone(who) * 0.9) * fell
    labels[rows, columns] = np.where(hairy, 10, 1 if who.hair == "bald" else 0)
    solid[rows, columns] = -1.0


def add_ears(
    who: Identity,
    plan: Plan,
    camera: Camera,
    light: Light,
    rays: tuple[Array, Array],
    picture: Array,
    labels: Array,
    solid: Array,
) -> None:
    """Paint the ears, before what lies farther back; the one turned to the viewer is the wider."""
    width = float(half_width(who, plan, np.array([0.2]))[0])
    for sign in (-1, 1):
        turned = float(np.clip(-sign * camera.sin_yaw, -0.15, 0.5))
        root = width * 0.99 - 0.10 * max(turned, 0)
        plane = float(camera.turned(sign * root, 0.2, -0.12)[2])
        u, v, _ = camera.at_depth(rays, np.float32(plane))
        behind = solid < plane + 0.06
        rows, columns = np.nonzero(
            behind & (u * sign > root - 0.3) & (u * sign < root + 0.4) & (np.abs(v - 0.22) < 0.4)
        )
        eu, ev = u[rows, columns], v[rows, columns]
        px, py = (eu * sign - root) / (0.14 + 0.22 * turned), (ev - 0.22) / 0.34
        r = np.hypot(np.maximum(px + 0.25 * py, -0.2) * (1 + 0.35 * np.maximum(py, 0)), py)
        ear = np.flatnonzero((r < 1) & (px > -0.6))
        rows, columns, r, eu, ev = rows[ear], columns[ear], r[ear], eu[ear], ev[ear]
        rim = (
            np.exp(-(((r - 0.86) / 0.10) ** 2))
            - 0.9 * np.exp(-(((r - 0.62) / 0.13) ** 2))
            - 0.8 * np.exp(-((r / 0.3) ** 2))
        )
        facing = np.clip(0.35 + 0.5 * (light.seen[0] * sign * 0.6 + light.seen[2] * 0.7), 0.1, 1)
        fell = (light.key * facing + 0.5 * (light.above + light.below)) * np.clip(0.72 + 0.4 * rim, 0.15, 1.3)
        picture[:, rows, columns] = skin_tone(who) * rgb(1, 0.82, 0.80) * (1 + 0.05 * noise(eu * 40, ev * 40)) * fell
        labels[rows, columns] = 0
        solid[rows, columns] = plane
