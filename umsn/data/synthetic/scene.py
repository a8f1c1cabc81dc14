"""The photograph of one face: its parts painted from far to near, and lit."""

from __future__ import annotations

import numpy as np

from umsn.data.synthetic import skin
from umsn.data.synthetic.accessories import add_glasses, add_hand
from umsn.data.synthetic.camera import Camera, Grid, framed, march
from umsn.data.synthetic.canvas import Canvas
from umsn.data.synthetic.eyes import add_eyes, glints
from umsn.data.synthetic.fields import Array, linear, noise, rgb, spread, unit
from umsn.data.synthetic.hair import beard_hairs, brow_hairs, hair_colour, hair_of, lashes
from umsn.data.synthetic.head import Plan, plan_of, relief, skewed
from umsn.data.synthetic.identity import Identity, stream
from umsn.data.synthetic.light import light_of, relief_light, shaded
from umsn.data.synthetic.sensor import SAMPLES, developed, voted
from umsn.data.synthetic.shot import Shot
from umsn.data.synthetic.strands import Strands, lit, paint
from umsn.data.synthetic.surroundings import add_body, add_ears, add_skull, background

UNIT = 40 / 128  #: a head unit as a share of the window
_EYES = complex(63.5, 48.0) / 128  #: where the point between the eyes is put, x + iy, as shares of the window


def render(who: Identity, shot: Shot, size: int, margin: int) -> tuple[Array, Array]:
    """The photograph (3, H, W) in [0, 1] and its labels (H, W), where H = W = ``size`` + 2 ``margin``."""
    plan = plan_of(who, shot)
    scale = UNIT * size * SAMPLES
    side = (size + 2 * margin) * SAMPLES
    grid = Grid(-1.35, 1.35, -1.8, 2.2, scale)
    z = relief(who, plan, grid.u, grid.v)
    camera = _camera(shot, plan, grid, z, size * SAMPLES, margin * SAMPLES)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) + np.float32(0.5)
    on = Canvas(
        camera=camera,
        light=light_of(shot, camera),
        rays=camera.rays(x, y),
        scale=scale,
        picture=background(shot, size * SAMPLES, margin * SAMPLES),
        labels=np.zeros((side, side), np.uint8),
        solid=np.full((side, side), -9.0, np.float32),
    )
    u, v, zz, depth, hit = march(camera, grid, z, on.rays)
    add_body(who, shot, on, hit)
    add_skull(who, on)
    fell, scalp = _add_face(who, shot, plan, on, grid, z, (u[hit], v[hit], zz[hit]), depth, hit)
    add_ears(who, plan, on)
    _add_fine_hair(who, plan, on, grid, z, fell)
    add_glasses(who, shot, on, float(grid.read(z, np.zeros(1), np.full(1, -0.02))[0]) + 0.14)
    _add_hair(who, on, scalp)
    add_hand(who, shot, on)
    return developed(shot, on.picture, margin), voted(on.labels)


def _camera(shot: Shot, plan: Plan, grid: Grid, z: Array, window: int, margin: int) -> Camera:
    """The camera that puts eyes and mouth where the data sets do; ``window`` and ``margin`` in samples."""
    ex, ey = plan.eye
    marks = np.array([[-ex, ex, -0.36, 0.36], [ey, ey, plan.mouth, plan.mouth]], np.float32)
    marks = np.stack([*marks, grid.read(z, marks[0], marks[1])])
    goal = np.array([-0.481, 0.481, -0.36 + 1.05j, 0.36 + 1.05j])
    goal = goal * UNIT * window + _EYES * window + complex(margin, margin)
    shift = complex(*shot.shift) * window / 128
    return framed(float(np.clip(shot.yaw, -40, 40)), shot.pitch, shot.roll, marks, goal, shot.scale, shift)


def _add_face(
    who: Identity,
    shot: Shot,
    plan: Plan,
    on: Canvas,
    grid: Grid,
    z: Array,
    at: tuple[Array, ...],
    depth: Array,
    hit: Array,
) -> tuple[Array, Array]:
    """Paint the face at the points ``at`` (u, v, z) that the samples ``hit`` (H, W) see.

    who, shot, plan: the person, the photograph, and the measures that follow from them
    on: the image, painted in place
    grid, z: the lattice of the relief, and its depth (h, w) there
    depth: (H, W) at which each sample meets the face

    Returns the light that falls on each sample (3, H, W) and how much hair grows there (H, W).
    """
    u, v, zz = at
    slope_u, slope_v, sky, sun = grid.read(relief_light(on.light, grid, z, skin.pores(who, grid.u, grid.v)), u, v)
    normal = unit(np.stack([-slope_u, -slope_v, np.ones_like(u)]))
    u = skewed(who, u, v)
    face = skin.bare_skin(who, plan, u, v)
    skin.add_shadow_of_beard(who, plan, face, u, v)
    skin.add_nose(plan, face, u, v)
    skin.add_brows(who, plan, face, u, v)
    skin.add_lips(who, plan, face, u, v)
    add_eyes(who, shot, plan, face, u, v)
    skin.add_scalp(who, face, u, v, zz)
    colour, light = shaded(on.light, face.albedo, face.gloss, normal, sky, sun)
    on.picture[:, hit] = colour + glints(plan, on.light, face, u, v)
    on.labels[hit], on.solid[hit] = face.labels, depth[hit] - 0.03
    fell, scalp = np.zeros_like(on.picture), np.zeros_like(on.solid)
    fell[:, hit], scalp[hit] = light, face.scalp
    return fell, scalp


def _add_fine_hair(who: Identity, plan: Plan, on: Canvas, grid: Grid, z: Array, fell: Array) -> None:
    """Brows, beard and lashes, hair by hair, over the skin, in the light ``fell`` (3, H, W)."""
    rng = stream(who.seed, 21)
    brows, beard, lash = brow_hairs(who, plan, rng), beard_hairs(who, plan, rng), lashes(plan, who, rng)
    grown = linear(np.array(who.hair_colour) * 0.9 * (1 - 0.7 * who.grey) + 0.6 * 0.7 * who.grey)[:, None]
    for (u, v, above), colour, cover in (
        (brows, skin.brow_colour(who), 0.65),
        (beard, grown, 0.75),
        (lash, rgb(0.01, 0.008, 0.008), 0.6),
    ):
        u = 2 * u - skewed(who, u, v)
        ground = grid.read(z, u, v)
        on_skin = (ground > -0.3).all(1)
        if not on_skin.any():
            continue
        x, y, depth = on.camera.project(u[on_skin], v[on_skin], (ground + above)[on_skin])
        tint = np.clip(1 + 0.3 * rng.standard_normal((len(x), 1), dtype=np.float32), 0.3, 2.2)
        longest = np.hypot(np.diff(x, axis=1), np.diff(y, axis=1)).max()
        got, where = paint(
            on.solid, x, y, depth + 0.05, np.broadcast_to(tint, x.shape)[None], round(min(max(longest, 1), 5))
        )
        on.picture[:, where] += cover * (colour * got[0][where] * fell[:, where] * 1.2 - on.picture[:, where])


def _add_hair(who: Identity, on: Canvas, scalp: Array) -> None:
    """The hair of the head, its shadow, and its label; ``scalp`` (H, W) says where it grows on the face's relief."""
    light, colour, strands = on.light, hair_colour(who), hair_of(who)
    fill = colour * 0.5 * (light.key + light.above)
    at = np.nonzero(scalp > 0)
    cover = scalp[at] * (0.5 if strands is None else 0.9)
    streaks = np.exp(0.55 * noise(at[1] * (55 / on.scale), at[0] * (7 / on.scale)))
    on.picture[:, *at] += cover * (0.6 * fill * streaks - on.picture[:, *at])
    if strands is None:
        return
    strands, x, y, z = _seen(strands, on)
    diffuse, specular = lit(strands, light.head, light.view, light.share, shine=0.9)
    pace = np.abs(np.diff(x, axis=1)).mean() + np.abs(np.diff(y, axis=1)).mean()
    got, where = paint(on.solid, x, y, z, np.stack([diffuse, specular]), round(min(max(pace * 1.1 + 0.5, 1), 6)))
    share = spread(where.astype(np.float32), 2.0)
    body = where | (share > 0.42)
    # Hair keeps the key light from the skin beside it; between its strands one sees deeper, darker ones.
    on.picture *= 1 - (on.solid > -2) * np.clip(0.6 * on.shadow_of(body, 0.06, 0.08), 0, 0.5)
    deeper = 0.55 * spread(got, 2.0)[:, body] / share[body]
    got[:, body] = np.where(where[body], got[:, body], deeper)
    got, tint = got[:, body], light.key / max(light.share, 1e-3)
    on.picture[:, body] = tint * (2.0 * colour * got[0] + got[1] * (0.6 * colour + 0.08))
    on.labels[body | (scalp > 0.5)] = 10


def _seen(strands: Strands, on: Canvas) -> tuple[Strands, Array, Array, Array]:
    """The strands with a point in the image that nothing hides, and their pixels x, y and depth (n, t)."""
    h, w = on.solid.shape
    x, y, z = on.camera.project(*strands.points)
    z = z + np.float32(0.06)
    i, j = y[:, ::3].astype(np.int64), x[:, ::3].astype(np.int64)
    inside = (i >= 0) & (i < h) & (j >= 0) & (j < w)
    near = z[:, ::3] > on.solid.ravel().take(np.clip(i, 0, h - 1) * w + np.clip(j, 0, w - 1))
    keep = np.flatnonzero((inside & near).any(1))
    return Strands(strands.points[:, keep], strands.tone[keep], strands.inner[keep]), x[keep], y[keep], z[keep]
