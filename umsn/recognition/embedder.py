"""Any recognition network in ONNX as the judge of Table V, in the place of OpenFace."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.faces import Window
from umsn.files import InputError, check_regular, read_bytes
from umsn.networks.onnx_export import session
from umsn.recognition.alignment import aligned, by_box, by_points

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  #: of RGB in [0, 1]


class OnnxEmbedder:
    """A network (B, 3, size, size) -> (B, D) in a file, run on the CPU by ONNX Runtime.

    path: the file, .onnx
    size: pixels a side of its input
    mean, std: of each channel: its input is (RGB - mean) / std, with RGB in [0, 1]
    bgr: whether it then wants the channels reversed
    threads: of the CPU that it may use

    Raises InputError where the file cannot be run or takes another size, and where onnxruntime is not installed.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        size: int = 112,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        *,
        bgr: bool = False,
        threads: int = 1,
    ) -> None:
        check_regular(path, "a recognition network (.onnx) was expected")
        self.session = session(path, threads=threads)
        self.path, self.size, self.bgr = path, size, bgr
        self.mean, self.std = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (mean, std))
        shape = self.session.get_inputs()[0].shape
        fits = len(shape) == 4 and all(
            not isinstance(n, int) or n == m for n, m in zip(shape[1:], (3, size, size), strict=True)
        )
        if not fits:
            raise InputError(f"{path}: takes {shape}; (B, 3, {size}, {size}) was expected")
        self.one_by_one = shape[0] == 1

    @property
    def title(self) -> str:
        """The file's name."""
        return Path(self.path).stem

    @property
    def digest(self) -> str:
        """The first 12 digits of the file's SHA-256."""
        return hashlib.sha256(read_bytes(self.path, "a recognition network was expected")).hexdigest()[:12]

    def embed(self, images: Tensor, *, points: Tensor | None = None, boxes: Sequence[Window] | None = None) -> Tensor:
        """Whose faces: (B, 3, H, W) RGB in [0, 1] -> (B, D) of length 1.

        ``points`` (B, 5, 2) align the faces (most networks were trained so), ``boxes`` cut them out; with neither the
        whole image is resized. Raises InputError when both are given, or for an output that is not one vector a face.
        """
        if points is not None and boxes is not None:
            raise InputError("points and boxes: one way of aligning was expected")
        if points is not None or boxes is not None:
            placing = by_points(points, self.size) if points is not None else by_box(boxes, self.size)
            images = aligned(images, placing, self.size)
        elif images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        images = (images.detach().cpu() - self.mean) / self.std
        name = self.session.get_inputs()[0].name
        batches = (images.flip(1) if self.bgr else images).split(1 if self.one_by_one else 64)
        try:
            embedding = torch.cat([torch.as_tensor(self.session.run(None, {name: b.numpy()})[0]) for b in batches])
        except Exception as error:  # onnxruntime's own exceptions share no narrower public base
            raise InputError(f"{self.path}: cannot be run ({str(error)[:120]})") from None
        if embedding.ndim != 2 or len(embedding) != len(images) or not bool(embedding.isfinite().all()):
            raise InputError(f"{self.path}: gives {tuple(embedding.shape)}; one finite vector a face was expected")
        return F.normalize(embedding, dim=1)
