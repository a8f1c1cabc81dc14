"""The pixels of a photograph as its file has them, of which only the parts worked on become floating point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import LUMA

STRIP = 256  #: rows that become floating point together


class Raster(NamedTuple):
    """An image between reading and writing."""

    pixels: np.ndarray  #: (H, W, C) uint8, uint16 or float32 in [0, 1]; 1 or 3 channels, one more with alpha
    profile: bytes | None = None  #: the embedded ICC colour profile
    dropped: tuple[str, ...] = ()  #: what of the file is not kept, in words

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[:2]

    @property
    def bits(self) -> int:
        """8 or 16 a channel, when written."""
        return 8 if self.pixels.dtype == np.uint8 else 16

    @property
    def grey(self) -> bool:
        """Whether it is written with one channel of brightness."""
        return self.pixels.shape[-1] <= 2

    @property
    def most(self) -> float:
        """The value of white."""
        return 1.0 if self.pixels.dtype.kind == "f" else float(np.iinfo(self.pixels.dtype).max)

    def part(self, rows: slice | Tensor, columns: slice | Tensor) -> Tensor:
        """(3, h, w) float32 in [0, 1] of some rows and columns."""
        cut = self.pixels[rows if isinstance(rows, slice) else rows.numpy()]
        cut = cut[:, columns if isinstance(columns, slice) else columns.numpy(), : 1 if self.grey else 3]
        planes = torch.from_numpy(np.ascontiguousarray(cut).astype(np.float32) / np.float32(self.most)).movedim(-1, 0)
        return planes.expand(3, -1, -1).contiguous()

    def plane(self, channel: int) -> Tensor:
        """(1, H, W) float32 in [0, 1]: red, green or blue, which are one and the same in a grey image."""
        plane = self.pixels[..., 0 if self.grey else channel].astype(np.float32)
        plane /= np.float32(self.most)
        return torch.from_numpy(plane)[None]

    def put_plane(self, channel: int, plane: Tensor) -> None:
        """Write (1, H, W) in [0, 1] in place."""
        values = plane[0].mul(self.most)
        self.pixels[..., channel] = (values if self.pixels.dtype.kind == "f" else values.round_()).numpy()

    def put(self, row: int, column: int, rgb: Tensor) -> None:
        """Write (3, h, w) RGB in [0, 1] in place, its first pixel at a row and column."""
        if self.grey:
            rgb = (rgb * rgb.new_tensor(LUMA)[:, None, None]).sum(0, keepdim=True)
        values = rgb.clamp(0, 1).movedim(0, -1) * self.most
        values = (values if self.pixels.dtype.kind == "f" else values.round()).numpy()
        height, width, channels = values.shape
        self.pixels[row : row + height, column : column + width, :channels] = values

    def shrunk(self, height: int, width: int) -> Tensor:
        """A smaller copy (3, height, width) in [0, 1]: first narrower, some rows after the other, then lower."""
        strips = [slice(row, row + STRIP) for row in range(0, self.size[0], STRIP)]
        narrow = [_shrunk(self.part(rows, slice(None)), None, width) for rows in strips]
        return _shrunk(torch.cat(narrow, dim=1), height, width)


def _shrunk(photo: Tensor, height: int | None, width: int) -> Tensor:
    size = (photo.shape[-2] if height is None else height, width)
    if tuple(photo.shape[-2:]) == size:
        return photo
    return F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
