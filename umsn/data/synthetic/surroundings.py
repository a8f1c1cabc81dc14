"""What is not the face: the background, and the back of the head, ears, neck, shoulders and clothes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import skimage.data
from scipy import ndimage

from umsn.data.synthetic.camera import Grid
from umsn.data.synthetic.canvas import Canvas
from umsn.data.synthetic.fields import Array, clouds, linear, noise, rgb, spread, step, unit
from umsn.data.synthetic.hair import hair_colour
from umsn.data.synthetic.head import CENTRE, RADII, Plan, half_width
from umsn.data.synthetic.identity import Identity, stream
from umsn.data.synthetic.light import moved
from umsn.data.synthetic.shot import Shot
from umsn.data.synthetic.skin import skin_tone

_PHOTOGRAPHS = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "brick",
    "grass",
    "gravel",
    "stereo_motorcycle",
    "camera",
    "coins",
    "hubble_deep_field",
    "retina",
)
_REACH = 0.15  #: a background covers the window and this share of it beyond each edge


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


def background(shot: Shot, window: int, margin: int) -> Array:
    """A crop of a photograph, sharp or out of focus, a gradient or a wall: (3, side, side), linear.

    ``window`` and ``margin`` are in samples; the window shows the same whatever the margin.
    """
    rng = stream(shot.seed, 4)
    side = window + 2 * margin
    y, x = (np.mgrid[0:side, 0:side].astype(np.float32) - margin) / window
    if shot.background in ("photograph", "blurred"):
        photo = _photograph(str(rng.choice(_PHOTOGRAPHS)))
        cut = int(min(photo.shape[1:]) * rng.uniform(0.5, 1.0))
        i, j = rng.integers(photo.shape[1] - cut + 1), rng.integers(photo.shape[2] - cut + 1)
        crop = photo[:, i : i + cut, j : j + cut]
        crop = crop[:, :, ::-1] if rng.random() < 0.5 else crop
        crop = crop[rng.permutation(3)] if rng.random() < 0.3 else crop
        blur = rng.uniform(0.01, 0.05) * cut if shot.background == "blurred" else rng.uniform(0, 0.5)
        crop = spread(crop, blur) if blur > 2 else ndimage.gaussian_filter(crop, (0, blur, blur))
        u, v = (x.ravel() + _REACH) / (1 + 2 * _REACH), (y.ravel() + _REACH) / (1 + 2 * _REACH)
        scene = Grid(0, 1, 0, 1, cut).read(np.ascontiguousarray(crop), u, v)
        return scene.reshape(3, side, side) * np.float32(np.exp(rng.normal(0, 0.6)))
    colour = linear(np.clip(rng.choice([0.06, 0.2, 0.5, 0.8, 0.97]) * np.exp(rng.normal(0, 0.12, 3)), 0.02, 1))
    angle = rng.uniform(0, 2 * np.pi)
    if shot.background == "gradient":
        ramp = (np.cos(angle) * x + np.sin(angle) * y) * np.float32(rng.uniform(0.2, 1.2))
    else:
        ramp = 0.15 * clouds(x * 3 + np.float32(rng.uniform(0, 99)), y * 3, 3)
    grain = 0.03 * noise(x * window / 2.3, y * window / 2.3) + 0.03 * noise(x * window / 5, y * window / 5)
    return colour[:, None, None] * np.exp(ramp + grain)


def add_body(who: Identity, shot: Shot, on: Canvas, hit: Array) -> None:
    """Paint neck, shoulders and clothes, in the shade of the head, whose samples are ``hit`` (H, W)."""
    light, scale = on.light, on.scale
    first = max(0, int(np.flatnonzero(hit.any(1))[-1] - 0.9 * scale)) if hit.any() else 0
    cast = spread(hit.astype(np.float32), 0.10 * scale)
    cast = moved(cast, -int(0.16 * scale), int(0.15 * light.seen[0] * scale))[first:].ravel()
    rays = on.rays[0][first:].ravel(), on.rays[1][first:].ravel()
    u, v, _ = on.camera.at_depth(rays, np.float32(-0.5))
    a = np.abs(u)

    radius = 0.74 + 0.22 * (who.masculine - 0.5) + 0.015 * who.width + 0.10 * step(1.9, 2.5, v) ** 2
    nx = u / radius
    normal = unit(np.stack([nx, 0.15 * np.abs(nx), np.sqrt(np.maximum(1 - nx * nx, 0.02))]))
    tendon = np.exp(-(((a - 0.36 + 0.18 * (v - 1.6)) / 0.06) ** 2))
    relief = 0.12 * tendon + 0.03 * noise(u * 40, v * 40) + 0.05 * clouds(u * 4, v * 6, 2)
    flesh = skin_tone(who) * rgb(1, 0.96, 0.95) * np.exp(relief - 0.08)
    around = 0.5 * (light.above + light.below)
    fell = light.key * np.clip(light.head @ normal + 0.15, 0, 1) * (1 - 0.85 * cast) + around * (1 - 0.55 * cast)

    rng = stream(shot.seed, 5)
    collar, dip, height = rng.uniform(1.55, 2.15), rng.uniform(0.0, 0.7), rng.uniform(1.45, 1.85)
    line = collar + 0.30 * a**1.3 + dip * step(0.75, 0.0, a) + 0.006 * noise(u * 9, v * 2)
    shoulder = v > height + 0.45 * np.maximum(a - 0.6, 0)
    neck, cloth = (a < radius) & (v > 0.9), shoulder & (v > line)
    skin = shoulder & ~cloth & (a > 0.5)
    weave = 1 + 0.12 * np.sin(u * 88) * np.sin(v * 88) + 0.10 * noise(u * 60, v * 30)
    weave += 0.25 * clouds(u * 5 + v * 3, v * 2, 2)
    if rng.random() < 0.3:
        stripes = np.sin(u * np.float32(rng.uniform(20, 60)) + np.float32(rng.uniform(0, 9)))
        weave *= 0.85 + 0.3 * (stripes > 0)
    flat = light.key * np.clip(0.3 + 0.5 * light.seen[2], 0.1, 1) + around
    fabric = (
        np.array(shot.cloth, np.float32)[:, None] * flat * np.maximum(weave, 0.2) * (1 - 0.5 * step(0.1, 0, v - line))
    )

    shape = on.solid[first:].shape
    view, deep = on.picture[:, first:].reshape(3, -1), on.solid[first:].ravel()
    for mask, colour, depth in (
        (neck, flesh * fell, -0.6 + 0.6 * normal[2]),
        (skin, flesh * flat * (1 - 0.5 * cast), -1.2),
        (cloth, fabric, -1.2),
    ):
        view = np.where(mask, colour, view)
        deep = np.where(mask, np.maximum(deep, depth), deep)
    on.picture[:, first:], on.solid[first:] = view.reshape(3, *shape), deep.reshape(shape)


def add_skull(who: Identity, on: Canvas) -> None:
    """Paint the back of the head, which the relief lacks, as an ellipsoid behind it."""
    u, v, _ = on.camera.at_depth(on.rays, np.float32(on.camera.turned(*CENTRE)[2]))
    x, y = u / RADII[0], (v - CENTRE[1]) / RADII[1]
    at = np.nonzero((x * x + y * y < 1) & (v < 0.45))
    x, y, v = x[at], y[at], v[at]
    normal = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))])
    fell = on.light.key * np.clip(on.light.head @ normal, 0, 1) + on.light.ambient(normal[1])
    hairy = (v < -0.1) & (who.hair != "bald")
    on.picture[:, *at] = np.where(hairy, 0.3 * hair_colour(who), skin_tone(who) * 0.9) * fell
    on.labels[at] = np.where(hairy, 10, 1 if who.hair == "bald" else 0)
    on.solid[at] = -1.0


def add_ears(who: Identity, plan: Plan, on: Canvas) -> None:
    """Paint the ears, before what lies farther back; the one turned to the viewer is the wider."""
    width = float(half_width(who, plan, np.array([0.2]))[0])
    light = on.light
    for sign in (-1, 1):
        turned = float(np.clip(-sign * on.camera.sin_yaw, -0.15, 0.5))
        root = width * 0.99 - 0.10 * max(turned, 0)
        plane = float(on.camera.turned(sign * root, 0.2, -0.12)[2])
        u, v, _ = on.camera.at_depth(on.rays, np.float32(plane))
        px, py = (u * sign - root) / (0.14 + 0.22 * turned), (v - 0.22) / 0.34
        r = np.hypot(np.maximum(px + 0.25 * py, -0.2) * (1 + 0.35 * np.maximum(py, 0)), py)
        at = np.nonzero((r < 1) & (px > -0.6) & (on.solid < plane + 0.06))
        r, u, v = r[at], u[at], v[at]
        rim = (
            np.exp(-(((r - 0.86) / 0.10) ** 2))
            - 0.9 * np.exp(-(((r - 0.62) / 0.13) ** 2))
            - 0.8 * np.exp(-((r / 0.3) ** 2))
        )
        facing = np.clip(0.35 + 0.5 * (light.seen[0] * sign * 0.6 + light.seen[2] * 0.7), 0.1, 1)
        fell = (light.key * facing + 0.5 * (light.above + light.below)) * np.clip(0.72 + 0.4 * rim, 0.15, 1.3)
        on.picture[:, *at] = skin_tone(who) * rgb(1, 0.82, 0.80) * (1 + 0.05 * noise(u * 40, v * 40)) * fell
        on.labels[at] = 0
        on.solid[at] = plane
