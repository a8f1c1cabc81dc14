"""Hair as what it is: thousands of curves in space, grown from roots, lit along their length, painted back to front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from umsn.data.synthetic.fields import Array, step, unit
from umsn.data.synthetic.head import CENTRE, RADII


class Strands(NamedTuple):
    """n curves of t points each, in head coordinates."""

    points: Array  #: (3, n, t)
    tone: Array  #: (n,) relative lightness
    inner: Array  #: (n,) 0 at the surface of the hair .. 1 next to the skull, where it is dark


def grow(
    roots: Array,
    start: Array,
    comb: Array,
    length: Array,
    steps: int,
    *,
    weight: float,
    stiff: float,
    lift: Array,
    rng: np.random.Generator,
    wiggle: float,
    frame: Array | None = None,
) -> Array:
    """Grow guides (3, n, steps) from roots (3, n): they set out along ``start``, bend to ``comb`` and to gravity.

    roots: (3, n) in head coordinates, as all lengths are in head units
    start: (3, n) directions at the roots
    comb: (3, n) directions in which they are combed, felt most near the roots
    length: (n,) of a whole strand
    steps: points of a strand
    weight: pull of gravity, 0 to 1
    stiff: how far a strand keeps its direction; about 1
    lift: (1, n) by which they stay outside the skull
    rng: draws their wiggling
    wiggle: deviation of the direction at each step
    frame: (n,) where it is not 0, they fall on its side of the face, no nearer to the middle than |frame| half widths
    """
    p, d = roots.copy(), unit(start)
    ds = length / steps
    out = np.empty((3, p.shape[1], steps), np.float32)
    fall = np.array([[0], [1], [0]], np.float32)
    radii = (RADII[:, None] + lift).astype(np.float32)
    for k in range(steps):
        out[:, :, k] = p
        if frame is not None:
            bound = (
                np.abs(frame)
                * np.interp(p[1], [-1.3, -1.0, -0.7, -0.3, 0.3, 1.0, 1.6], [0, 0.30, 0.66, 0.95, 1.10, 1.06, 0.95])
                * step(-0.1, 0.3, p[2])
            )
            p[0] = np.where(frame == 0, p[0], np.sign(frame) * np.maximum(p[0] * np.sign(frame), bound))
            out[0, :, k] = p[0]
        far = min(1.0, 2.5 * k / steps)
        d = unit(
            d * stiff
            + comb * (1 - far) * 0.35
            + fall * weight * (0.15 + far) * 0.3
            + wiggle * rng.standard_normal(p.shape, dtype=np.float32)
        )
        p = p + d * ds
        q = (p - CENTRE[:, None]) / radii
        r = np.sqrt((q * q).sum(0))
        push = (r < 1) & (p[1] < 0.45)
        p = np.where(push, CENTRE[:, None] + q / np.maximum(r, 0.2) * radii, p)
    return out


def clumped(guides: Array, count: int, clump: float, curl: float, turns: float, rng: np.random.Generator) -> Strands:
    """``count`` strands between the guides: each lies between two neighbours and gathers to one towards its tip.

    guides: (3, n, t), as `grow` gives them
    count: strands in all
    clump: how far a strand gathers, 0 to 1
    curl: radius of its curls, in head units; 0 for none
    turns: how many curls
    rng: draws where each strand lies, and its tone
    """
    n, steps = guides.shape[1:]
    of = rng.integers(n, size=count)
    beside = cKDTree(guides[:, :, 0].T).query(guides[:, :, 0].T, k=5)[1][of, rng.integers(1, 5, count)]
    t = np.linspace(0, 1, steps, dtype=np.float32)
    share = rng.random((count, 1), dtype=np.float32) * (1 - clump * t)
    apart = np.abs(guides[:, of] - guides[:, beside]).sum(0) < 0.5  # do not bridge a parting
    share = np.where(np.minimum.accumulate(apart, 1), share, 0)
    points = guides[:, of] * (1 - share) + guides[:, beside] * share
    points += rng.standard_normal((3, count, 1), dtype=np.float32) * 0.012
    sway = 6.283 * (
        rng.random((3, count, 1), dtype=np.float32) + (0.5 + rng.random((3, count, 1), dtype=np.float32)) * t
    )
    points += np.float32(0.016) * t * np.sin(sway)
    if curl > 0:
        root = guides[:, :, 0]
        own = rng.standard_normal(n, dtype=np.float32) * (0.6 if turns < 3.8 else 3.0)
        phase = (3 * root[0] + 2 * root[1] + own)[of][:, None] + rng.standard_normal((count, 1), dtype=np.float32) * 0.4
        rate = (turns * (1 + 0.12 * rng.standard_normal(n, dtype=np.float32)))[of][:, None]
        angle = phase + 6.283 * rate * t
        width = curl * np.minimum(t * 3, 1)
        points[0] += width * np.sin(angle)
        points[2] += width * np.cos(angle)
        points[1] += 0.5 * width * np.sin(angle * 0.9 + 1)
    tone = (
        1 + 0.24 * rng.standard_normal(count, dtype=np.float32) + (0.22 * rng.standard_normal(n, dtype=np.float32))[of]
    )
    return Strands(points, np.clip(tone, 0.35, 2.0), rng.random(count, dtype=np.float32))


def lit(strands: Strands, light: Array, view: Array, key: float, *, shine: float) -> tuple[Array, Array]:
    """Diffuse and specular factors (n, t): light along fibres (Kajiya and Kay 1989) on a rounded head of hair."""
    p = strands.points
    tangent = unit(np.gradient(p, axis=2))
    normal = unit((p - CENTRE[:, None, None]) / RADII[:, None, None] ** 2)
    tl = np.einsum("c,cnt->nt", light, tangent)
    tv = np.einsum("c,cnt->nt", view, tangent)
    nl = np.einsum("c,cnt->nt", light, normal)
    form = np.clip(0.25 + 0.75 * nl, 0, 1)
    sin_l = np.sqrt(np.maximum(1 - tl * tl, 0))
    diffuse = key * form * (0.35 + 0.65 * sin_l) + (1 - key) * (0.55 - 0.25 * normal[1])
    diffuse *= (1 - 0.55 * strands.inner[:, None]) * strands.tone[:, None]
    lobe = np.maximum(sin_l * np.sqrt(np.maximum(1 - tv * tv, 0)) - tl * tv, 0)
    shade = np.clip(nl + 0.3, 0, 1) * key * (1 - 0.8 * strands.inner[:, None])
    return diffuse.astype(np.float32), (
        shine * shade * (0.6 * lobe**24 + 0.25 * lobe**6) * strands.tone[:, None] ** 2
    ).astype(np.float32)


def paint(depth: Array, x: Array, y: Array, z: Array, shade: Array, fine: int) -> tuple[Array, Array]:
    """Paint strands, nearest last, where nothing nearer stands.

    depth (H, W) is what stands there already; x, y, z (n, t) the strands in pixels and depth, shade (c, n, t) what they
    carry, ``fine`` dabs to a segment. Returns what they carry (c, H, W), and where (H, W) bool.
    """
    h, w = depth.shape
    inside = (x > -2) & (x < w + 1) & (y > -2) & (y < h + 1)
    n, t = np.nonzero(inside[:, :-1] & inside[:, 1:])
    at = n * x.shape[1] + t
    dabs = np.empty((3 + len(shade), fine, len(at)), np.float32)
    for out, value in zip(dabs, (x, y, z, *shade), strict=True):
        start = value.ravel().take(at)
        slope = (value.ravel().take(at + 1) - start) / np.float32(fine)
        for k in range(fine):
            np.add(start, slope * np.float32(k), out=out[k])
    dabs = dabs.reshape(len(dabs), -1)
    i, j = dabs[1].astype(np.int64), dabs[0].astype(np.int64)
    np.clip(i, 0, h - 1, out=i)
    np.clip(j, 0, w - 1, out=j)
    index = i * w + j
    near = np.flatnonzero(dabs[2] > depth.ravel()[index])
    index = index[near]
    # Sort by depth in 1/256 units: the last dab of each pixel is the nearest.
    order = np.argsort(((dabs[2, near] + 4) * 256).astype(np.uint16), kind="stable")
    last = np.full(h * w, -1, np.int64)
    last[index[order]] = near[order]
    at = np.flatnonzero(last >= 0)
    canvas = np.zeros((len(shade), h * w), np.float32)
    canvas[:, at] = dabs[3:, last[at]]
    return canvas.reshape(-1, h, w), (last >= 0).reshape(h, w)
