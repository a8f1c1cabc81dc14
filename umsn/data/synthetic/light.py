"""Light on the relief: a key light with cast shadows, light from sky and ground, gloss, and blood under the skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umsn.data.synthetic.camera import Camera, Grid
from umsn.data.synthetic.fields import Array, bump, rgb, spread, step, unit
from umsn.data.synthetic.head import BACK
from umsn.data.synthetic.shot import Shot


@dataclass(frozen=True)
class Light:
    """All light of a photograph; colours are columns (3, 1)."""

    seen: Array  #: (3,) direction to the key light, viewer's axes
    head: Array  #: (3,) the same in the head's axes
    view: Array  #: (3,) direction to the viewer in the head's axes
    key: Array
    above: Array
    below: Array
    share: float  #: of the key light in all, 0..1

    def ambient(self, facing_down: Array) -> Array:
        """Light from around (3, n) upon a surface whose normal has this v component (n,)."""
        return self.above * (0.5 - 0.5 * facing_down) + self.below * (0.5 + 0.5 * facing_down)


def light_of(shot: Shot, camera: Camera) -> Light:
    """The lights of a photograph."""
    a, e = np.deg2rad(np.clip(shot.light_azimuth, -75, 75)), np.deg2rad(np.clip(shot.light_elevation, -5, 65))
    seen = np.array([np.sin(a) * np.cos(e), -np.sin(e), np.cos(a) * np.cos(e)], np.float32)
    around = 1.15 * (1 - shot.key) * np.exp(rgb(-0.08, 0.0, 0.12) * shot.temperature)
    return Light(
        seen=seen,
        head=np.array(camera.head(*seen), np.float32),
        view=np.array(camera.head(0.0, 0.0, 1.0), np.float32),
        key=1.35 * shot.key * np.exp(rgb(0.22, 0.0, -0.30) * shot.temperature),
        above=around,
        below=0.8 * around,
        share=shot.key,
    )


def moved(z: Array, di: int, dj: int) -> Array:
    """z[i + di, j + dj], the border repeated."""
    h, w = z.shape
    return z[np.clip(np.arange(h) + di, 0, h - 1)][:, np.clip(np.arange(w) + dj, 0, w - 1)]


def relief_light(light: Light, grid: Grid, z: Array, fine: Array) -> Array:
    """What light meets on the lattice, (4, h, w): slopes along u and v (with ``fine`` relief), openness, key light."""
    gv, gu = np.gradient(np.maximum(z + fine, BACK - 0.15), np.float32(1 / grid.per_unit))
    solid = np.maximum(z, -0.3)
    cavity = solid - spread(solid, 0.05 * grid.per_unit)
    hollow = solid - spread(solid, 0.16 * grid.per_unit)
    sky = np.clip(1 + 3.5 * np.minimum(cavity, 0.02) + 1.5 * np.minimum(hollow, 0.03), 0.25, 1.15)
    sky += (1 - sky) * step(0.35, -0.1, z)
    # Lids face the sky; the socket about them is not as dark as it is deep.
    sky += 0.5 * (1 - sky) * bump(np.abs(grid.u), grid.v, 0.50, -0.08, 0.18, 0.08)
    lu, lv, lz = light.head
    reach = np.hypot(lu, lv) + 1e-6
    worst = np.full(z.shape, -1.0, np.float32)
    for k in range(1, 13):
        far = 0.04 * k
        other = moved(z, round(lv / reach * far * grid.per_unit), round(lu / reach * far * grid.per_unit))
        np.maximum(worst, (other - z - np.float32(far * lz / reach)) * np.float32(1 / (0.08 + 0.4 * far)), out=worst)
    return np.stack([gu, gv, sky, 1 - step(-0.1, 0.9, worst)])


def shaded(light: Light, albedo: Array, gloss: Array, normal: Array, sky: Array, sun: Array) -> tuple[Array, Array]:
    """Colour (3, n) of lit skin, and the light (3, n) that fell upon it.

    light: all light of the photograph
    albedo: (3, n) of the skin, linear
    gloss: (n,) how much it mirrors
    normal: (3, n) of length 1, in the head's axes
    sky: (n,) openness to the light from around: 1 on a plain, less in hollows
    sun: (n,) how much of the key light arrives, 0 in its shadow to 1
    """
    nl = light.head @ normal
    wrap = rgb(0.28, 0.14, 0.09)
    diffuse = np.clip((nl + wrap) / (1 + wrap), 0, 1)
    through = rgb(0.22, 0.15, 0.13)
    fell = (light.key * diffuse * (through + (1 - through) * sun) + light.ambient(normal[1]) * sky**1.6) * (
        0.35 + 0.65 * sky
    )
    half = unit((light.head + light.view)[:, None])[:, 0]
    nh, nv = np.clip(half @ normal, 0, 1), np.clip(light.view @ normal, 0, 1)
    mirror = sun * (0.10 * nh**14 + 0.22 * nh**60) * light.key + (0.04 + 0.6 * (1 - nv) ** 5) * 0.15 * (1 - light.share)
    return albedo * fell + gloss * mirror, fell
