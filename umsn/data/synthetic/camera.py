"""From the head to the image and back: pose, framing, and what each pixel sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from umsn.data.synthetic.fields import Array
from umsn.data.synthetic.head import BACK

_FAR = 14.0  #: viewing distance in head units, for a mild perspective


@dataclass(frozen=True)
class Camera:
    """A pose and the similarity that frames it: head (u, v, z) -> image (x, y) in pixels and depth."""

    cos_yaw: float
    sin_yaw: float
    cos_pitch: float
    sin_pitch: float
    turn: complex = 1.0  #: pixels a head unit times a rotation
    shift: complex = 0.0

    def turned(self, u: Array, v: Array, z: Array) -> tuple[Array, Array, Array]:
        """A vector of the head in the viewer's axes."""
        x, depth = u * self.cos_yaw + z * self.sin_yaw, z * self.cos_yaw - u * self.sin_yaw
        return x, v * self.cos_pitch + depth * self.sin_pitch, depth * self.cos_pitch - v * self.sin_pitch

    def head(self, x: Array, y: Array, depth: Array) -> tuple[Array, Array, Array]:
        """The inverse of ``turned``."""
        v, z = y * self.cos_pitch - depth * self.sin_pitch, y * self.sin_pitch + depth * self.cos_pitch
        return x * self.cos_yaw - z * self.sin_yaw, v, x * self.sin_yaw + z * self.cos_yaw

    def project(self, u: Array, v: Array, z: Array) -> tuple[Array, Array, Array]:
        """Pixels (x, y) and depth of points of the head."""
        x, y, depth = self.turned(u, v, z)
        near = 1 / (1 - depth / _FAR)
        a, b = self.turn.real, self.turn.imag
        x, y = x * near, y * near
        return a * x - b * y + self.shift.real, b * x + a * y + self.shift.imag, depth

    def rays(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Pixels -> viewer's coordinates at depth 0; times (1 - depth / far) at another depth."""
        back = (x + 1j * y - self.shift) / self.turn
        return back.real.astype(np.float32), back.imag.astype(np.float32)

    def at_depth(self, rays: tuple[Array, Array], depth: Array | float) -> tuple[Array, Array, Array]:
        """Head coordinates of the points at ``depth`` that the rays pass."""
        near = 1 - depth / _FAR
        return self.head(rays[0] * near, rays[1] * near, depth)


def framed(
    yaw: float, pitch: float, roll: float, landmarks: Array, goal: Array, scale: float, shift: complex
) -> Camera:
    """The camera whose projected landmarks (3, n) lie nearest to ``goal`` (n, x + iy); then rolled, scaled, moved.

    yaw, pitch, roll: of the head, in degrees
    landmarks: (3, n) in head coordinates
    goal: (n,) where they should be seen, x + iy in pixels
    scale: by which the image is enlarged; 1 leaves it as fitted
    shift: by which it is moved at last, x + iy in pixels
    """
    y, p = np.deg2rad(yaw), np.deg2rad(pitch)
    camera = Camera(float(np.cos(y)), float(np.sin(y)), float(np.cos(p)), float(np.sin(p)))
    px, py, _ = camera.project(*landmarks)
    seen = px + 1j * py
    a, b = seen - seen.mean(), goal - goal.mean()
    turn = (np.conj(a) * b).sum() / (np.abs(a) ** 2).sum() * scale * np.exp(1j * np.deg2rad(roll))
    return Camera(
        camera.cos_yaw,
        camera.sin_yaw,
        camera.cos_pitch,
        camera.sin_pitch,
        complex(turn),
        complex(goal.mean() - turn * seen.mean() + shift),
    )


class Grid:
    """Samples of a function of (u, v) on a square lattice, and bilinear reading between them."""

    def __init__(self, left: float, right: float, top: float, bottom: float, per_unit: float) -> None:
        self.left, self.top, self.per_unit = left, top, per_unit
        u = np.arange(left, right, 1 / per_unit, dtype=np.float32)
        v = np.arange(top, bottom, 1 / per_unit, dtype=np.float32)
        self.u, self.v = np.meshgrid(u, v)

    def read(self, values: Array, u: Array, v: Array) -> Array:
        """``values`` (..., h, w) at the points (u, v)."""
        h, w = values.shape[-2:]
        y = np.clip((v - self.top) * self.per_unit, 0, h - 1.001)
        x = np.clip((u - self.left) * self.per_unit, 0, w - 1.001)
        i, j = y.astype(np.int64), x.astype(np.int64)
        fy, fx = (y - i).astype(np.float32), (x - j).astype(np.float32)
        flat = values.reshape(*values.shape[:-2], h * w)
        index = i * w + j
        top = flat[..., index] * (1 - fx) + flat[..., index + 1] * fx
        index += w
        return top * (1 - fy) + (flat[..., index] * (1 - fx) + flat[..., index + 1] * fx) * fy


def march(camera: Camera, grid: Grid, z: Array, rays: tuple[Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
    """Where each ray first meets the relief: (u, v, z, depth, hit). Steps as long as the steepest slope allows."""
    h, w = z.shape
    depth = np.full(rays[0].shape, 1.75, np.float32)
    pace = 0.55 / (1 + 0.5 * (abs(camera.sin_yaw) + abs(camera.sin_pitch)))
    flat = np.ascontiguousarray(z).ravel()
    for _ in range(18):
        u, v, height = camera.at_depth(rays, depth)
        i = np.clip((v - grid.top) * grid.per_unit, 0, h - 1).astype(np.int64)
        j = np.clip((u - grid.left) * grid.per_unit, 0, w - 1).astype(np.int64)
        depth = depth - np.float32(pace) * (height - np.maximum(flat.take(i * w + j), BACK - 0.6))
        depth = np.maximum(depth, -1.2)
    u, v, height = camera.at_depth(rays, depth)
    ground = grid.read(z, u, v)
    hit = (ground > BACK + 0.02) & (np.abs(height - ground) < 0.25)
    return u, v, ground, depth, hit
