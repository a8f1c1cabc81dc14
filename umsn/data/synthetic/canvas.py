"""The image while it is painted: what is seen, what it is, how near it stands, and who looks and lights."""

from __future__ import annotations

from dataclasses import dataclass

from umsn.data.synthetic.camera import Camera
from umsn.data.synthetic.fields import Array, spread
from umsn.data.synthetic.light import Light, moved


@dataclass
class Canvas:
    """An image of H by W samples, painted in place from far to near."""

    camera: Camera
    light: Light
    rays: tuple[Array, Array]  #: (H, W) each: ``Camera.rays`` of the samples
    scale: float  #: samples to a head unit
    picture: Array  #: (3, H, W), linear light
    labels: Array  #: (H, W) uint8, Helen's 0..10
    solid: Array  #: (H, W) depth of what has been painted

    def shadow_of(self, mask: Array, soft: float, reach: float) -> Array:
        """The soft shadow (H, W) in 0..1 that ``mask`` throws, away from the key light by ``reach`` head units."""
        shade = spread(mask.astype("float32"), soft * self.scale)
        along = reach * self.scale
        return moved(shade, round(float(self.light.seen[1]) * along), round(float(self.light.seen[0]) * along))
