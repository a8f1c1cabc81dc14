"""The photograph: head, hair, neck and clothes before a background, lit, seen through a lens, recorded by a sensor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from umsn.synthetic.camera import Camera, Grid, framed, march
from umsn.synthetic.fields import Array, bump, clouds, linear, noise, step, unit
from umsn.synthetic.hair import brow_hairs, densified, hair_of, lashes
from umsn.synthetic.head import Plan, half_width, plan_of, relief
from umsn.synthetic.identity import Identity, stream
from umsn.synthetic.shot import Shot
from umsn.synthetic.skin import pores, skin_tone, surface
from umsn.synthetic.strands import lit, paint

_SS = 2  #: samples a pixel and axis
_PHOTOGRAPHS = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "brick",
    "grass",
    "gravel",
    "motorcycle_left",
    "camera",
    "coins",
    "hubble_deep_field",
    "retina",
)


@lru_cache(maxsize=16)
def _photograph(name: str) -> Array:
    """One of scikit-image's bundled photographs, (3, h, w) linear."""
    import skimage.data

    picture = skimage.data.stereo_motorcycle()[0] if name == "motorcycle_left" else getattr(skimage.data, name)()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, 2)
    if name == "astronaut":
        picture = picture[230:]  # without her face
    step_ = max(1, min(picture.shape[:2]) // 400)
    return linear(picture[::step_, ::step_, :3].transpose(2, 0, 1).astype(np.float32) / 255)


def background(shot: Shot, h: int, w: int, rng: np.random.Generator) -> Array:
    """What is behind: a crop of a photograph, sharp or out of focus, a gradient or a wall. (3, h, w), linear."""
    colour = linear(np.clip(rng.uniform(0.05, 0.9) * np.exp(rng.normal(0, 0.18, 3)), 0.02, 1)).astype(np.float32)
    if shot.background in ("photograph", "blurred"):
        photo = _photograph(str(rng.choice(_PHOTOGRAPHS)))
        side = int(min(photo.shape[1:]) * rng.uniform(0.45, 1.0))
        i, j = rng.integers(photo.shape[1] - side + 1), rng.integers(photo.shape[2] - side + 1)
        crop = photo[:, i : i + side, j : j + side]
        if rng.random() < 0.5:
            crop = crop[:, :, ::-1]
        blur = rng.uniform(0.01, 0.05) * side if shot.background == "blurred" else rng.uniform(0, 0.5)
        crop = ndimage.gaussian_filter(crop, (0, blur, blur))
        y = np.linspace(0, side - 1, h, dtype=np.float32)[:, None] + np.zeros((1, w), np.float32)
        x = np.linspace(0, side - 1, w, dtype=np.float32)[None] + np.zeros((h, 1), np.float32)
        scene = np.stack([ndimage.map_coordinates(c, [y, x], order=1) for c in crop])
        if rng.random() < 0.3:
            scene = scene[rng.permutation(3)]
        return scene * np.float32(rng.uniform(0.5, 1.3))
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / h
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (
        (np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(0.2, 1.2)
        if shot.background == "gradient"
        else 0.15 * clouds(x * 3 + rng.uniform(0, 99), y * 3, 3)
    )
    grain = 0.04 * noise(x * h / 2.3, y * h / 2.3) + 0.03 * noise(x * h / 5, y * h / 5)
    return colour[:, None, None] * np.exp(ramp + grain)


def _lights(shot: Shot) -> tuple[Array, Array, Array, Array]:
    """Direction to the key light in viewer's axes, its colour, and the ambient colour from above and from below."""
    a, e = np.deg2rad(np.clip(shot.light_azimuth, -75, 75)), np.deg2rad(np.clip(shot.light_elevation, -5, 65))
    towards = np.array([np.sin(a) * np.cos(e), -np.sin(e), np.cos(a) * np.cos(e)], np.float32)
    warm = np.exp(np.array([0.22, 0.0, -0.30]) * shot.temperature).astype(np.float32)
    cool = np.exp(np.array([-0.08, 0.0, 0.12]) * shot.temperature).astype(np.float32)
    key = 1.35 * shot.key * warm
    return towards, key, 1.15 * (1 - shot.key) * cool, 0.75 * (1 - shot.key) * cool**0.5


def _cast(z: Array, grid: Grid, light: Array) -> Array:
    """How much key light reaches each point of the relief past the rest of it, 0..1."""
    lu, lv, lz = light
    reach = np.hypot(lu, lv) + 1e-6
    worst = np.full(z.shape, -1.0, np.float32)
    for k in range(1, 15):
        far = 0.035 * k
        di, dj = int(round(lv / reach * far * grid.per_unit)), int(round(lu / reach * far * grid.per_unit))
        other = _moved(z, di, dj)
        worst = np.maximum(worst, (other - z - far * lz / reach) / (0.05 + 0.25 * far))
    return 1 - step(-0.1, 0.9, worst)


def _moved(z: Array, di: int, dj: int) -> Array:
    """z[i + di, j + dj], the border repeated."""
    h, w = z.shape
    i = np.clip(np.arange(h) + di, 0, h - 1)
    j = np.clip(np.arange(w) + dj, 0, w - 1)
    return z[i][:, j]


def render(who: Identity, shot: Shot, size: int, margin: int) -> tuple[Array, Array]:
    """The photograph (3, H, W) in [0, 1] and its labels (H, W), where H = W = size + 2 margin."""
    rng = stream(shot.seed, 3)
    plan = plan_of(who, shot)
    unit_ = 40 * size / 128
    side = (size + 2 * margin) * _SS
    grid = Grid(-1.2, 1.2, -1.8, 2.2, unit_ * _SS)
    z = relief(who, shot, plan, grid.u, grid.v).astype(np.float32)

    ex, ey = plan.eye
    marks = np.array([[-ex, ex, -0.36, 0.36], [ey, ey, plan.mouth, plan.mouth]], np.float32)
    marks = np.stack([*marks, grid.read(z, marks[0], marks[1])])
    goal = np.array([-0.481, 0.481, -0.36, 0.36]) + 1j * np.array([0, 0, 1.05, 1.05])
    goal = (goal * unit_ + complex(63.5, 48.0) * size / 128 + margin) * _SS
    shift = complex(*shot.shift) * size / 128 * _SS
    camera = framed(float(np.clip(shot.yaw, -40, 40)), shot.pitch, shot.roll, marks, goal, shot.scale, shift)

    y, x = np.mgrid[0:side, 0:side].astype(np.float32) + 0.5
    rays = camera.rays(x, y)
    u, v, zz, depth, hit = march(camera, grid, z, rays)

    towards, key, above, below = _lights(shot)
    light_head = np.array(camera.head(*towards), np.float32)
    view_head = np.array(camera.head(0.0, 0.0, 1.0), np.float32)

    # Relief -> normals, hollows and cast shadows, on the lattice; then read where the rays meet it.
    bumpy = z + pores(who, grid.u, grid.v)
    gv, gu = np.gradient(np.maximum(bumpy, -0.6), 1 / grid.per_unit)
    cavity = z - ndimage.gaussian_filter(np.maximum(z, -0.3), 0.05 * grid.per_unit)
    hollow = np.maximum(z, -0.3) - ndimage.gaussian_filter(np.maximum(z, -0.3), 0.16 * grid.per_unit)
    open_ = np.clip(1 + 5.0 * np.minimum(cavity, 0.02) + 2.2 * np.minimum(hollow, 0.03), 0.25, 1.15)
    sun = _cast(z, grid, light_head)
    gu, gv, open_, sun = (grid.read(f, u, v) for f in (gu, gv, open_, sun))
    normal = unit(np.stack([-gu, -gv, np.ones_like(gu)]))

    skin = surface(who, shot, plan, u, v, zz)
    picture = background(shot, side, side, rng)
    solid = np.full((side, side), -9.0, np.float32)
    labels = np.zeros((side, side), np.uint8)

    tone = skin_tone(who)
    ambient = lambda n_v: above[:, None, None] * (0.5 - 0.5 * n_v) + below[:, None, None] * (0.5 + 0.5 * n_v)  # noqa: E731

    # Neck, shoulders, clothes, ears: simple solids, with the head's shade upon them.
    cast = ndimage.gaussian_filter(hit.astype(np.float32), 0.10 * unit_ * _SS)
    cast = _moved(cast, -int(0.16 * unit_ * _SS), int(0.15 * towards[0] * unit_ * _SS))
    neck_u, neck_v, _ = camera.at_depth(rays, np.float32(-0.5))
    nr = 0.60 + 0.06 * (who.masculine - 0.5) * 2 + 0.015 * who.width + 0.10 * step(1.9, 2.5, neck_v) ** 2
    nx = neck_u / nr
    neck = (np.abs(nx) < 1) & (neck_v > 0.9)
    nn = np.stack([nx, 0.15 * np.abs(nx), np.sqrt(np.maximum(1 - nx * nx, 0.02))])
    nn = unit(nn)
    nl = np.einsum("c,chw->hw", light_head, nn)
    tendon = (
        0.12 * np.exp(-(((np.abs(neck_u) - 0.36 + 0.18 * (neck_v - 1.6)) / 0.06) ** 2))
        + 0.04 * noise(neck_u * 40, neck_v * 40)
        + 0.05 * clouds(neck_u * 4, neck_v * 6, 2)
    )
    neck_skin = tone[:, None, None] * np.exp(tendon - 0.08) * np.array([1, 0.96, 0.95], np.float32)[:, None, None]
    neck_light = key[:, None, None] * (np.clip(nl + 0.15, 0, 1) * (1 - 0.85 * cast)) + ambient(nn[1]) * (
        1 - 0.55 * cast
    )
    picture = np.where(neck, neck_skin * neck_light, picture)
    solid = np.where(neck, -0.5 + 0.6 * nn[2] - 0.1, solid)

    dress = stream(shot.seed, 5)
    collar = dress.uniform(1.75, 2.35)
    dip = dress.uniform(0.0, 0.7)
    line = (
        collar
        + 0.30 * np.abs(neck_u) ** 1.3
        - 0.2
        + dip * step(0.75, 0.0, np.abs(neck_u))
        + 0.02 * noise(neck_u * 9, neck_v * 2)
    )
    shoulder = 1.72 + 0.55 * np.maximum(np.abs(neck_u) - 0.45, 0) + dress.uniform(0, 0.25)
    cloth = (neck_v > line) & (neck_v > shoulder)
    torso = (neck_v > shoulder) & ~cloth & (np.abs(neck_u) > 0.5)
    weave = (
        1
        + 0.16 * np.sin(neck_u * 88) * np.sin(neck_v * 88)
        + 0.10 * noise(neck_u * 60, neck_v * 30)
        + 0.2 * clouds(neck_u * 5 + neck_v * 3, neck_v * 2, 2)
    )
    if dress.random() < 0.35:
        weave = weave * (0.75 + 0.5 * (np.sin(neck_u * dress.uniform(20, 60) + dress.uniform(0, 9)) > 0))
    cloth_light = key * np.clip(0.3 + 0.5 * towards[2], 0.1, 1) + 0.5 * (above + below)
    bodice = (
        np.array(shot.cloth, np.float32)[:, None, None]
        * np.maximum(weave, 0.2)
        * cloth_light[:, None, None]
        * (1 - 0.5 * step(0.10, 0.0, neck_v - line))
    )
    picture = np.where(
        torso, tone[:, None, None] * np.exp(tendon) * cloth_light[:, None, None] * (1 - 0.5 * cast), picture
    )
    picture = np.where(cloth, bodice, picture)
    solid = np.where(cloth | torso, np.maximum(solid, -0.4), solid)

    eu, ev, _ = camera.at_depth(rays, np.float32(-0.15))
    width = float(half_width(who, plan, np.array([0.2]))[0])
    for sign in (-1, 1):
        turned = np.clip(-sign * camera.sin_yaw, -0.1, 0.5)
        ear_w, ear_h = 0.15 + 0.25 * turned, 0.36
        px = (eu * sign - (width - 0.02)) / ear_w
        py = (ev - 0.22) / ear_h
        px2 = px - 0.25 * (-py)
        r = np.hypot(np.maximum(px2, -0.2) * (1 + 0.35 * np.maximum(py, 0)), py)
        ear = (r < 1) & (px > -1.2) & ~hit
        rim = (
            np.exp(-(((r - 0.86) / 0.10) ** 2))
            - 0.9 * np.exp(-(((r - 0.62) / 0.13) ** 2))
            - 0.8 * np.exp(-((r / 0.3) ** 2))
        )
        en = np.clip(0.35 + 0.5 * (towards[0] * sign * 0.6 + towards[2] * 0.7), 0.1, 1)
        shade = (key * en + 0.5 * (above + below))[:, None, None] * np.clip(0.72 + 0.4 * rim, 0.15, 1.3)
        flesh = (
            tone[:, None, None]
            * np.array([1, 0.82, 0.80], np.float32)[:, None, None]
            * (1 + 0.05 * noise(eu * 40, ev * 40))
        )
        picture = np.where(ear, flesh * shade, picture)
        solid = np.where(ear, -0.15, solid)

    # The face.
    nl = np.einsum("c,chw->hw", light_head, normal)
    wrap = np.array([0.28, 0.14, 0.09], np.float32)[:, None, None]
    diffuse = np.clip((nl + wrap) / (1 + wrap), 0, 1) ** 1.15
    shadow = np.stack([0.12 + 0.88 * sun, 0.06 + 0.94 * sun, 0.05 + 0.95 * sun])
    halfway = unit((light_head + view_head)[:, None])[:, 0]
    nh = np.clip(np.einsum("c,chw->hw", halfway, normal), 0, 1)
    nview = np.clip(np.einsum("c,chw->hw", view_head, normal), 0, 1)
    fresnel = 0.04 + 0.6 * (1 - nview) ** 5
    specular = skin.gloss * sun * (0.10 * nh**14 + 0.22 * nh**60) + skin.gloss * fresnel * 0.25 * (1 - shot.key)
    colour = (
        skin.albedo * (key[:, None, None] * diffuse * shadow + ambient(normal[1]) * open_**1.6) * (0.35 + 0.65 * open_)
    )
    colour = colour + key[:, None, None] * specular
    # Wet parts mirror the light: a glint in each eye, gleams on teeth.
    gu2 = (np.abs(u) - ex) / 0.14
    ball = unit(np.stack([np.sign(u) * gu2 * 0.5, (v - ey) / 0.14 * 0.5, np.ones_like(u)]))
    glint = np.clip(np.einsum("c,chw->hw", unit((light_head * 0.7 + view_head)[:, None])[:, 0], ball), 0, 1) ** 320
    colour = colour + skin.wet * np.isin(skin.labels, (4, 5)) * glint * 2.2 * key[:, None, None]
    picture = np.where(hit, colour, picture)
    labels = np.where(hit, skin.labels, labels)
    solid = np.where(hit, depth - 0.03, solid)

    hairs = stream(shot.seed, 7)
    picture = _facial_hair(who, plan, camera, grid, z, picture, solid, hit, key, above, hairs)
    picture, labels = _head_hair(
        who, shot, camera, rays, skin, hit, picture, labels, solid, light_head, view_head, key, above, towards
    )
    return _developed(shot, picture, labels, rng)


def _facial_hair(who, plan, camera, grid, z, picture, solid, hit, key, above, rng):
    """Brows and lashes, hair by hair."""
    own = stream(who.seed, 21)
    curves = brow_hairs(who, plan, own)
    height = grid.read(z, curves[0], curves[1]) + 0.01
    x, y, d = camera.project(curves[0], curves[1], height)
    base = linear(np.array(who.hair_colour) * 0.6 * (1 - 0.5 * who.grey) + 0.25 * who.grey)
    tint = np.broadcast_to((1 + 0.35 * own.standard_normal(x.shape[0])).clip(0.3, 2)[:, None], x.shape)
    got, _, where = paint(solid, x, y, d + 0.05, np.stack([tint]).astype(np.float32), 3)
    light = (0.6 * key + above)[:, None, None]
    brow = base[:, None, None] * got[0] * light
    picture = np.where(where & hit, picture * 0.35 + 0.65 * brow, picture)
    curves = lashes(plan, who, own)
    height = grid.read(z, curves[0], curves[1]) + curves[2]
    x, y, d = camera.project(curves[0], curves[1], height)
    got, _, where = paint(solid, x, y, d + 0.05, np.ones((1, *x.shape), np.float32), 4)
    return np.where(where & hit, picture * 0.4 + 0.6 * 0.01, picture)


def _head_hair(who, shot, camera, rays, skin, hit, picture, labels, solid, light_head, view_head, key, above, towards):
    """The hair of the head, its shadow, and its label."""
    colour = linear(np.array(who.hair_colour) * (1 - who.grey) + np.array([0.68, 0.67, 0.66]) * who.grey)
    strands = hair_of(who)
    side = picture.shape[1]
    scalp = np.where(hit, skin.scalp, 0)
    under = colour[:, None, None] * 0.35 * (0.5 * key + 0.5 * above)[:, None, None]
    if strands is None:
        return picture * (1 - 0.5 * scalp) + under * 0.5 * scalp, labels
    picture = picture * (1 - 0.9 * scalp) + under * 0.9 * scalp
    diffuse, specular = lit(strands, light_head, view_head, shot.key, shine=0.5)
    x, y, z = camera.project(*strands.points)
    step_px = np.abs(np.diff(x[:200], axis=1)).mean() + np.abs(np.diff(y[:200], axis=1)).mean()
    fine = int(np.clip(np.ceil(step_px * 1.2), 1, 6))
    grey_tone = np.broadcast_to(strands.tone[:, None], diffuse.shape)
    got, hair_depth, where = paint(solid, x, y, z, np.stack([diffuse, specular, grey_tone]), fine)
    body = ndimage.gaussian_filter(where.astype(np.float32), 2.0) > 0.42
    body |= where
    tintkey = (key / max(shot.key, 1e-3))[:, None, None]
    dark = colour[:, None, None] * 0.25 * (0.4 * key + 0.5 * above)[:, None, None]
    hair = colour[:, None, None] * got[0] * tintkey * 1.1 + got[1] * tintkey * (0.5 * colour[:, None, None] + 0.12)
    # Hair keeps light from the skin beside it.
    px = 0.06 * 40 * _SS * side / (128 * _SS)
    veil = ndimage.gaussian_filter(body.astype(np.float32), px)
    veil = _moved(veil, int(round(towards[1] * px * 1.3)), int(round(towards[0] * px * 1.3)))
    picture = picture * (1 - 0.55 * np.clip(veil * 1.2, 0, 1))
    picture = np.where(body, np.where(where, hair, dark), picture)
    labels = np.where(body | (scalp > 0.5), 10, labels).astype(np.uint8)
    return picture, labels


def _developed(shot: Shot, picture: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Lens, sensor and tone curve: light at the finer lattice -> a photograph and its labels."""
    side = picture.shape[1] // _SS
    photo = picture.reshape(3, side, _SS, side, _SS).mean((2, 4))
    photo = ndimage.gaussian_filter(photo, (0, shot.softness, shot.softness))
    photo = photo * 2.0 ** (0.28 * shot.exposure) * 0.85
    if shot.light == "low":
        photo = photo * np.array([0.16, 0.13, 0.11], np.float32)[:, None, None]
    noise_ = shot.noise * (3 if shot.light == "low" else 1)
    photo = photo / (1 + np.maximum(photo - 0.75, 0) * 0.8)
    photo = np.clip(photo, 0, 1) ** (1 / 2.2)
    photo = photo + 0.12 * (photo - 0.5) * (1 - np.abs(2 * photo - 1))
    photo = photo + rng.standard_normal(photo.shape, dtype=np.float32) * noise_
    # A pixel's label is the commonest of its samples.
    four = labels.reshape(side, _SS, side, _SS).transpose(0, 2, 1, 3).reshape(side, side, _SS * _SS)
    votes = (four[..., None] == four[..., None, :]).sum(-1)
    voted = np.take_along_axis(four, votes.argmax(-1)[..., None], -1)[..., 0]
    return np.clip(photo, 0, 1).astype(np.float32), voted
