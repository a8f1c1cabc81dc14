"""Things before the face: glasses, sunglasses, a hand."""

from __future__ import annotations

import numpy as np

from umsn.synthetic.camera import Camera
from umsn.synthetic.fields import Array, noise, rgb, spread, step, unit
from umsn.synthetic.head import Plan
from umsn.synthetic.identity import Identity, stream
from umsn.synthetic.light import Light, moved
from umsn.synthetic.shot import Shot
from umsn.synthetic.skin import skin_tone


def add_glasses(
    who: Identity,
    shot: Shot,
    plan: Plan,
    camera: Camera,
    light: Light,
    rays: tuple[Array, Array],
    bridge: float,
    scale: float,
    picture: Array,
    labels: Array,
    solid: Array,
) -> None:
    """Paint glasses, or the sunglasses that hide the eyes. Frames and dark lenses are labelled skin, as annotators do."""
    dark = shot.occlusion == "sunglasses"
    if not (dark or who.glasses):
        return
    rng = stream(who.seed, 31)
    kind = who.glasses or int(rng.integers(1, 4))
    power = {1: 2.2, 2: 4.5, 3: 3.0}[kind]
    wide, high = (0.40, 0.33) if dark else (0.37, 0.25 if kind == 2 else 0.30)
    rim = 0.05 if rng.random() < 0.6 else 0.024
    colour = np.array(
        rng.choice([[0.015, 0.013, 0.012], [0.06, 0.03, 0.015], [0.25, 0.22, 0.18], [0.10, 0.02, 0.02]]), np.float32
    )[:, None]
    depth = np.full(rays[0].shape, bridge, np.float32)
    for _ in range(3):  # meet the curved front of the frame
        u, v, z = camera.at_depth(rays, depth)
        depth = depth + (bridge - 0.16 * u * u - z) / (camera.cos_yaw * camera.cos_pitch)
    a, y = np.abs(u), v - 0.05
    x = (a - 0.47) / wide
    skewed = y / high * (1 + 0.12 * x) if kind == 3 else y / high
    r = (np.abs(x) ** power + np.abs(skewed) ** power) ** (1 / power)
    off = (r - 1) * min(wide, high)
    frame = (np.abs(off) < rim / 2) | ((a < 0.13) & (np.abs(y + 0.10 - 0.25 * (0.13 - a) * 0.5) < rim * 0.5))
    lens = (off < 0) & ~frame
    arm = (a > 0.47 + wide * 0.9) & (a < 1.12) & (np.abs(y + 0.12) < rim * 0.55)
    frame |= arm & (off > 0)
    shade = spread((frame | (lens & dark)).astype(np.float32), 0.02 * scale)
    picture *= 1 - 0.35 * moved(
        shade, round(float(light.seen[1]) * 0.07 * scale), round(float(light.seen[0]) * 0.07 * scale)
    )
    sky = light.above * (0.012 + 0.06 * step(0.3, -0.3, y[lens])) * (1 + 0.3 * np.sin(u[lens] * 7 + shot.seed % 7))
    picture[:, lens] = picture[:, lens] * (0.06 if dark else 0.93) + sky * (1.0 if dark else 0.35)
    round_ = np.clip(1 - (off[frame] / (rim / 2)) ** 2, 0, 1)
    picture[:, frame] = colour * (light.key * 0.6 + light.above) + 0.25 * light.key * round_**8 * step(
        0.1, -0.2, y[frame]
    )
    labels[frame | (lens & dark)] = 1
    solid[frame | lens] = np.maximum(solid, depth)[frame | lens]


def add_hand(
    who: Identity,
    shot: Shot,
    camera: Camera,
    light: Light,
    rays: tuple[Array, Array],
    scale: float,
    picture: Array,
    labels: Array,
) -> None:
    """Paint a hand before the lower face; it is background."""
    if shot.occlusion != "hand":
        return
    rng = stream(shot.seed, 41)
    x, y = rays
    side = float(rng.choice([-1, 1]))
    base = np.array([side * rng.uniform(0.7, 1.0), 2.25])
    goal = np.array([side * rng.uniform(-0.1, 0.45), rng.uniform(0.75, 1.15)])
    along = (goal - base) / np.hypot(*(goal - base))
    across = np.array([-along[1], along[0]])
    height = np.zeros(x.shape, np.float32)
    normal = np.zeros((3, *x.shape), np.float32)
    ridge = np.zeros(x.shape, np.float32)
    fingers = [
        (base + across * (k - 1.5) * 0.23, goal + across * (k - 1.5) * 0.22 - along * abs(k - 1.3) * 0.16, 0.135, 0.10)
        for k in range(4)
    ]
    fingers.append((base - along * 0.5, base + along * 0.35, 0.50, 0.46))
    for start, end, thick, thin in fingers:
        line = end - start
        length = float(np.hypot(*line))
        px, py = x - np.float32(start[0]), y - np.float32(start[1])
        t = np.clip((px * line[0] + py * line[1]) / length**2, 0, 1)
        radius = thick + (thin - thick) * t
        dx, dy = px - t * line[0], py - t * line[1]
        up = np.sqrt(np.maximum(radius**2 - dx * dx - dy * dy, 0))
        over = up > height
        height = np.where(over, up, height)
        normal[:, over] = np.stack([dx, dy, up])[:, over] / radius[over]
        folds = np.exp(-(((t - 0.35) / 0.02) ** 2)) + np.exp(-(((t - 0.68) / 0.016) ** 2)) if thick < 0.2 else 0 * t
        nail = (
            step(0.06, 0.05, np.hypot((dx * across[0] + dy * across[1]) * 1.0, (t - 0.97) * length * 0.8))
            if thick < 0.2
            else 0 * t
        )
        ridge = np.where(over, nail * 0.9 - folds * 0.35, ridge)
    seen = height > 0
    shade = moved(
        spread(seen.astype(np.float32), 0.06 * scale), round(-0.08 * scale), round(float(light.seen[0]) * 0.1 * scale)
    )
    picture *= 1 - 0.5 * shade
    n = unit(normal[:, seen] + np.float32(1e-3))
    nl = np.clip((light.seen @ n + 0.2) / 1.2, 0, 1)
    texture = 1 + 0.06 * noise(x[seen] * 40, y[seen] * 40) + 0.06 * noise(x[seen] * 9, y[seen] * 9) + 0.25 * ridge[seen]
    flesh = skin_tone(who) * rgb(1, 0.92, 0.9) * np.clip(texture, 0.3, 1.4)
    picture[:, seen] = flesh * (light.key * nl + light.ambient(n[1])) * (0.45 + 0.55 * np.clip(n[2], 0, 1))
    labels[seen] = 0
