"""The photograph: head, hair, neck and clothes before a background, lit, seen through a lens, recorded by a sensor."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from umsn.synthetic.accessories import add_glasses, add_hand
from umsn.synthetic.camera import Camera, Grid, framed, march
from umsn.synthetic.eyes import add_eyes
from umsn.synthetic.fields import Array, linear, noise, rgb, spread, unit
from umsn.synthetic.hair import beard_hairs, brow_hairs, hair_colour, hair_of, lashes
from umsn.synthetic.head import Plan, plan_of, relief, skewed
from umsn.synthetic.identity import Identity, stream
from umsn.synthetic.light import Light, light_of, moved, relief_light, shaded
from umsn.synthetic.shot import Shot
from umsn.synthetic.skin import (
    Surface,
    add_brows,
    add_lips,
    add_nose,
    add_scalp,
    add_shadow_of_beard,
    bare_skin,
    brow_colour,
    pores,
)
from umsn.synthetic.strands import lit, paint
from umsn.synthetic.surroundings import add_body, add_ears, add_skull, background

SAMPLES = 2  #: to a pixel, along each axis
UNIT = 40 / 128  #: a head unit as a share of the window
_EYES = (63.5 / 128, 48.0 / 128)  #: where the point between the eyes is put, x and y, as shares of the window


def render(who: Identity, shot: Shot, size: int, margin: int) -> tuple[Array, Array]:
    """The photograph (3, H, W) in [0, 1] and its labels (H, W), where H = W = ``size`` + 2 ``margin``."""
    rng = stream(shot.seed, 3)
    plan = plan_of(who, shot)
    scale = UNIT * size * SAMPLES
    side = (size + 2 * margin) * SAMPLES
    grid = Grid(-1.35, 1.35, -1.8, 2.2, scale)
    z = relief(who, plan, grid.u, grid.v)
    camera = _camera(shot, plan, grid, z, scale, margin * SAMPLES)
    light = light_of(shot, camera)

    y, x = np.mgrid[0:side, 0:side].astype(np.float32) + np.float32(0.5)
    rays = camera.rays(x, y)
    u, v, zz, depth, hit = march(camera, grid, z, rays)
    picture = background(shot, side, rng)
    solid = np.full((side, side), -9.0, np.float32)
    labels = np.zeros((side, side), np.uint8)
    add_body(who, shot, camera, light, rays, hit, scale, picture, solid)
    add_skull(who, camera, light, rays, hair_colour(who), picture, labels, solid)

    # The face, at the points that are seen of it.
    u, v, zz = u[hit], v[hit], zz[hit]
    slope_u, slope_v, sky, sun = grid.read(relief_light(light, grid, z, pores(who, grid.u, grid.v)), u, v)
    normal = unit(np.stack([-slope_u, -slope_v, np.ones_like(u)]))
    face = _surface(who, shot, plan, u, v, zz)
    colour, fell = shaded(light, face.albedo, face.gloss, normal, sky, sun)
    colour += _glints(plan, light, face, skewed(who, u, v), v)
    picture[:, hit], labels[hit], solid[hit] = colour, face.labels, depth[hit] - 0.03
    add_ears(who, plan, camera, light, rays, picture, labels, solid)
    light_map = np.zeros_like(picture)
    light_map[:, hit] = fell

    _add_fine_hair(who, plan, camera, grid, z, light_map, solid, picture)
    scalp = np.zeros((side, side), np.float32)
    scalp[hit] = face.scalp
    bridge = float(grid.read(z, np.zeros(1), np.full(1, -0.02))[0]) + 0.14
    add_glasses(who, shot, plan, camera, light, rays, bridge, scale, picture, labels, solid)
    _add_hair(who, shot, camera, light, scalp, solid, picture, labels, scale)
    add_hand(who, shot, camera, light, rays, scale, picture, labels)
    return _developed(shot, picture, rng), _voted(labels)


def _camera(shot: Shot, plan: Plan, grid: Grid, z: Array, scale: float, margin: int) -> Camera:
    """The camera that puts eyes and mouth where the data sets do."""
    ex, ey = plan.eye
    marks = np.array([[-ex, ex, -0.36, 0.36], [ey, ey, plan.mouth, plan.mouth]], np.float32)
    marks = np.stack([*marks, grid.read(z, marks[0], marks[1])])
    window = scale / UNIT
    goal = np.array([-0.481, 0.481, -0.36, 0.36]) + 1j * np.array([0, 0, 1.05, 1.05])
    goal = goal * scale + complex(*_EYES) * window + complex(margin, margin)
    shift = complex(*shot.shift) * window / 128
    return framed(float(np.clip(shot.yaw, -40, 40)), shot.pitch, shot.roll, marks, goal, shot.scale, shift)


def _surface(who: Identity, shot: Shot, plan: Plan, u: Array, v: Array, z: Array) -> Surface:
    """Everything painted upon the head, in order."""
    u = skewed(who, u, v)
    face = bare_skin(who, plan, u, v)
    add_shadow_of_beard(who, plan, face, u, v)
    add_nose(plan, face, u, v)
    add_brows(who, plan, face, u, v)
    add_lips(who, plan, face, u, v)
    add_eyes(who, shot, plan, face, u, v)
    add_scalp(who, face, u, v, z)
    return face


def _glints(plan: Plan, light: Light, face: Surface, u: Array, v: Array) -> Array:
    """The key light mirrored in the eyeballs."""
    out = np.zeros((3, len(u)), np.float32)
    eye = np.flatnonzero((face.labels == 4) | (face.labels == 5))
    du, dv = (np.abs(u[eye]) - plan.eye[0]) * np.sign(u[eye]), v[eye] - plan.eye[1]
    ball = unit(np.stack([du / 0.28, dv / 0.28, np.ones_like(du)]))
    towards = unit((light.head * 0.7 + light.view)[:, None])[:, 0]
    out[:, eye] = 2.2 * light.key * np.clip(towards @ ball, 0, 1) ** 320
    return out


def _add_fine_hair(
    who: Identity, plan: Plan, camera: Camera, grid: Grid, z: Array, fell: Array, solid: Array, picture: Array
) -> None:
    """Brows, beard and lashes, hair by hair, over the skin."""
    rng = stream(who.seed, 21)
    brows, beard, lash = brow_hairs(who, plan, rng), beard_hairs(who, plan, rng), lashes(plan, who, rng)
    brow = brow_colour(who)
    grown = linear(np.array(who.hair_colour) * 0.9 * (1 - 0.7 * who.grey) + 0.6 * 0.7 * who.grey)[:, None]
    for curves, colour, cover in ((brows, brow, 0.65), (beard, grown, 0.75), (lash, rgb(0.01, 0.008, 0.008), 0.6)):
        if not curves.shape[1]:
            continue
        u = skewed(who, curves[0], curves[1])
        u = 2 * curves[0] - u
        ground = grid.read(z, u, curves[1])
        on_skin = (ground > -0.3).all(1)
        u, curves, ground = u[on_skin], curves[:, on_skin], ground[on_skin]
        x, y, d = camera.project(u, curves[1], ground + curves[2])
        tint = np.broadcast_to((1 + 0.3 * rng.standard_normal(u.shape[0])).clip(0.3, 2.2)[:, None], u.shape).astype(
            np.float32
        )
        step_ = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)).max()
        got, _, where = paint(solid, x, y, d + 0.05, tint[None], int(np.clip(np.ceil(step_), 1, 5)))
        picture[:, where] += cover * (colour * got[0][where] * fell[:, where] * 1.2 - picture[:, where])


def _add_hair(
    who: Identity,
    shot: Shot,
    camera: Camera,
    light: Light,
    scalp: Array,
    solid: Array,
    picture: Array,
    labels: Array,
    scale: float,
) -> None:
    """The hair of the head, its shadow, and its label."""
    colour = hair_colour(who)
    fill = colour * (0.5 * light.key + 0.5 * light.above)
    strands = hair_of(who)
    where_v, where_u = np.nonzero(scalp > 0)
    streaks = np.ones_like(scalp)
    streaks[where_v, where_u] = np.exp(0.55 * noise(where_u * (55 / scale), where_v * (7 / scale)))
    cover = scalp * (0.5 if strands is None else 0.9)
    picture += cover * ((0.6 * fill)[:, :, None] * streaks - picture)
    if strands is None:
        return
    diffuse, specular = lit(strands, light.head, light.view, light.share, shine=0.9)
    x, y, z = camera.project(*strands.points)
    pace = np.abs(np.diff(x[:200], axis=1)).mean() + np.abs(np.diff(y[:200], axis=1)).mean()
    got, _, where = paint(
        solid, x, y, z + np.float32(0.06), np.stack([diffuse, specular]), int(np.clip(np.ceil(pace * 1.1), 1, 6))
    )
    body = where | (spread(where.astype(np.float32), 2.0) > 0.42)
    # Hair keeps the key light from the skin beside it.
    soft = 0.06 * scale
    veil = moved(
        spread(body.astype(np.float32), soft),
        round(float(light.seen[1]) * soft * 1.3),
        round(float(light.seen[0]) * soft * 1.3),
    )
    picture *= 1 - 0.5 * np.clip(veil * 1.2, 0, 1)
    tint = light.key / max(light.share, 1e-3)
    picture[:, body] = 0.25 * fill
    got = got[:, where]
    picture[:, where] = tint * (2.0 * colour * got[0] + got[1] * (0.6 * colour + 0.08))
    labels[body | (scalp > 0.5)] = 10


def _developed(shot: Shot, picture: Array, rng: np.random.Generator) -> Array:
    """Lens, exposure, tone curve and sensor: light at the finer lattice -> a photograph."""
    side = picture.shape[1] // SAMPLES
    photo = picture.reshape(3, side, SAMPLES, side, SAMPLES).mean((2, 4))
    photo = ndimage.gaussian_filter(photo, (0, shot.softness, shot.softness))
    photo *= np.float32(0.95 * 2.0 ** (0.28 * shot.exposure))
    grain = shot.noise
    if shot.light == "low":
        photo *= rgb(0.16, 0.13, 0.11)[:, :, None]
        grain *= 3
    photo = photo / (1 + np.maximum(photo - 0.75, 0) * 0.8)
    photo = np.clip(photo, 0, 1) ** np.float32(1 / 2.2)
    photo += 0.30 * (photo - 0.47) * (1 - np.abs(2 * photo - 1))
    photo += rng.standard_normal(photo.shape, dtype=np.float32) * np.float32(grain)
    return np.clip(photo, 0, 1)


def _voted(labels: Array) -> Array:
    """A pixel's label is the commonest of its samples' labels."""
    side = labels.shape[0] // SAMPLES
    samples = labels.reshape(side, SAMPLES, side, SAMPLES).transpose(0, 2, 1, 3).reshape(side, side, SAMPLES * SAMPLES)
    votes = (samples[..., None] == samples[..., None, :]).sum(-1)
    return np.take_along_axis(samples, votes.argmax(-1)[..., None], -1)[..., 0]
