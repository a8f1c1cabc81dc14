"""Things before the face: glasses, sunglasses, a hand."""

from __future__ import annotations

import numpy as np

from umsn.data.synthetic.canvas import Canvas
from umsn.data.synthetic.fields import noise, rgb, step, unit
from umsn.data.synthetic.identity import Identity, stream
from umsn.data.synthetic.shot import Shot
from umsn.data.synthetic.skin import skin_tone

_FRAMES = ((0.015, 0.013, 0.012), (0.06, 0.03, 0.015), (0.25, 0.22, 0.18), (0.10, 0.02, 0.02))


def add_glasses(who: Identity, shot: Shot, on: Canvas, bridge: float) -> None:
    """Paint glasses at the depth ``bridge`` of the head, or the sunglasses that hide the eyes.

    Frames and dark lenses are labelled skin, as annotators do.
    """
    dark = shot.occlusion == "sunglasses"
    if not (dark or who.glasses):
        return
    rng = stream(who.seed, 31)
    kind = who.glasses or int(rng.integers(1, 4))
    power = {1: 2.2, 2: 4.5, 3: 3.0}[kind]
    wide, high = (0.40, 0.33) if dark else (0.37, 0.25 if kind == 2 else 0.30)
    rim = 0.05 if rng.random() < 0.6 else 0.024
    colour = np.array(_FRAMES[int(rng.integers(2 if dark else 4))], np.float32)[:, None]
    camera, light = on.camera, on.light
    depth = np.full(on.solid.shape, bridge, np.float32)
    for _ in range(3):  # meet the curved front of the frame
        u, v, z = camera.at_depth(on.rays, depth)
        depth = depth + (bridge - 0.16 * u * u - z) / (camera.cos_yaw * camera.cos_pitch)
    a, y = np.abs(u), v - 0.05
    x = (a - 0.47) / wide
    tall = y / high * (1 + 0.12 * x) if kind == 3 else y / high
    off = ((np.abs(x) ** power + np.abs(tall) ** power) ** (1 / power) - 1) * min(wide, high)
    frame = (np.abs(off) < rim / 2) | ((a < 0.13) & (np.abs(y + 0.084 + 0.125 * a) < rim / 2))
    lens = (off < 0) & ~frame
    frame |= (a > 0.47 + wide * 0.9) & (a < 0.95) & (np.abs(y + 0.12) < rim * 0.55) & (off > 0)
    on.picture *= 1 - 0.35 * on.shadow_of(frame | (lens & dark), 0.02, 0.07)
    sky = light.above * (0.012 + 0.06 * step(0.3, -0.3, y[lens])) * (1 + 0.3 * np.sin(u[lens] * 7 + shot.seed % 7))
    on.picture[:, lens] = on.picture[:, lens] * (0.06 if dark else 0.93) + sky * (1.0 if dark else 0.35)
    shine = np.clip(1 - (off[frame] / (rim / 2)) ** 2, 0, 1) ** 8 * step(0.1, -0.2, y[frame])
    on.picture[:, frame] = colour * (light.key * 0.6 + light.above) + 0.25 * light.key * shine
    on.labels[frame | (lens & dark)] = 1
    on.solid[frame | lens] = np.maximum(on.solid, depth)[frame | lens]


def add_hand(who: Identity, shot: Shot, on: Canvas) -> None:
    """Paint a hand before the lower face, fingers as rounded bars; it is background."""
    if shot.occlusion != "hand":
        return
    rng = stream(shot.seed, 41)
    x, y = on.rays
    side = float(rng.choice([-1, 1]))
    base = np.array([side * rng.uniform(0.7, 1.0), 2.2 - shot.hand_raised])
    goal = np.array([side * rng.uniform(-0.1, 0.45), rng.uniform(0.55, 0.95) - shot.hand_raised])
    along = (goal - base) / np.hypot(*(goal - base))
    across = np.array([-along[1], along[0]])
    up = np.zeros(x.shape, np.float32)
    normal = np.zeros((3, *x.shape), np.float32)
    paler = np.zeros(x.shape, np.float32)
    bars = [(base - along * (0.5 + max(shot.hand_raised, 0)), base + along * 0.45, 0.56, 0.52)]
    for k in range(4):
        tip = goal + across * (k - 1.5) * 0.27 - along * abs(k - 1.3) * 0.18
        bars.append((base + across * (k - 1.5) * 0.27, tip, 0.155, 0.12))
    for start, end, thick, thin in bars:
        line = (end - start).astype(np.float32)
        length = float(np.hypot(*line))
        px, py = x - np.float32(start[0]), y - np.float32(start[1])
        t = np.clip((px * line[0] + py * line[1]) / np.float32(length**2), 0, 1)
        radius = thick + (thin - thick) * t
        dx, dy = px - t * line[0], py - t * line[1]
        height = np.sqrt(np.maximum(radius**2 - dx * dx - dy * dy, 0))
        over = height > up
        up = np.where(over, height, up)
        normal[:, over] = (np.stack([dx, dy, height]) / radius)[:, over]
        if thick < 0.2:
            sideways = dx * np.float32(across[0]) + dy * np.float32(across[1])
            nail = step(0.075, 0.06, np.hypot(sideways, (t - 0.97) * np.float32(length * 0.8)))
            folds = np.exp(-(((t - 0.45) / 0.016) ** 2)) + np.exp(-(((t - 0.72) / 0.014) ** 2))
            paler = np.where(over, 0.22 * nail - 0.09 * folds, paler)
    seen = up > 0
    on.picture *= 1 - 0.45 * on.shadow_of(seen, 0.06, 0.12)
    facing = unit(normal[:, seen] + np.float32(1e-3))
    texture = 1 + 0.06 * noise(x[seen] * 40, y[seen] * 40) + 0.06 * noise(x[seen] * 9, y[seen] * 9) + paler[seen]
    flesh = skin_tone(who) * rgb(1, 0.92, 0.9) * np.clip(texture, 0.3, 1.4)
    fell = on.light.key * np.clip((on.light.seen @ facing + 0.2) / 1.2, 0, 1) + on.light.ambient(facing[1])
    on.picture[:, seen] = flesh * fell * (0.45 + 0.55 * np.clip(facing[2], 0, 1))
    on.labels[seen] = 0
    on.solid[seen] = 2.0
