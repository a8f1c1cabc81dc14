"""A recogniser that nobody here trained: dlib's descriptor with 68 landmarks, from the npm package of face-api.

The package is `@vladmandic/face-api` (MIT), which `make recogniser` fetches; nothing of it is ours to ship. The
descriptor was trained on three million faces from the web, its author says (King 2017), public figures among them.
"""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from umsn.files import InputError
from umsn.recognition.alignment import DLIB, aligned, by_points
from umsn.recognition.descriptor import Descriptor, shipped_descriptor
from umsn.recognition.embedder import OnnxEmbedder
from umsn.recognition.landmarks import five_of, read_landmarks
from umsn.recognition.resnet import SIDE, read_resnet

DESCRIPTOR = "face_recognition_model-weights_manifest.json"
LANDMARKS = "face_landmark_68_model-weights_manifest.json"

#: Larger images are reduced to so many pixels of the shorter side before faces are cut out of them.
LARGEST = 192

EXPECTED = "a recognition network (.onnx, or VGG-Face's weights) or face-api's folder (make recogniser) was expected"


class DlibRecogniser:
    """dlib's descriptor of faces that are aligned by their own landmarks.

    path: the package's folder, its folder of models, or one of the two manifests

    Raises InputError where one of the two networks is missing or cannot be read.
    """

    title = "dlib's ResNet"

    def __init__(self, path: str | PathLike[str]) -> None:
        folder = _models(Path(path))
        self.landmarks = read_landmarks(folder / LANDMARKS)
        self.network = read_resnet(folder / DESCRIPTOR)

    @property
    def digest(self) -> str:
        """The first 12 digits of the SHA-256 of all weights."""
        found = hashlib.sha256()
        for network in (self.landmarks, self.network):
            for name, tensor in network.state_dict().items():
                found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()[:12]

    @torch.inference_mode()
    def embed(self, images: Tensor, *, points: Tensor | None = None) -> Tensor:
        """Whose faces: (B, 3, H, W) RGB in [0, 1], framed as in the data sets -> (B, 128), whose lengths are not 1.

        Two faces nearer to each other than 0.6 are one person's, says the descriptor's author. ``points`` (B, 5, 2),
        as of `alignment.five_points`, align the faces; without them the landmarks do, found in each image, whether
        blurred, restored or sharp.
        """
        images = images.detach().cpu()
        if (short := min(images.shape[-2:])) > LARGEST:
            share = LARGEST / short
            images = F.interpolate(images, scale_factor=share, mode="bilinear", antialias=True)
            points = None if points is None else (points + 0.5) * share - 0.5
        parts = images.split(32)
        given = [None] * len(parts) if points is None else points.split(32)
        return torch.cat([self._embedded(part, five) for part, five in zip(parts, given, strict=True)])

    def _embedded(self, images: Tensor, points: Tensor | None) -> Tensor:
        five = five_of(self.landmarks.find(images)) if points is None else points
        return self.network(aligned(images, by_points(five, SIDE, DLIB), SIDE))


Judge = Descriptor | OnnxEmbedder | DlibRecogniser  #: what says whose face it is


def judge(path: str | PathLike[str] = "") -> Judge:
    """What says whose face it is: the package's stand-in, an ONNX network, or face-api's folder or manifest.

    Raises InputError for what is not there or cannot be read.
    """
    if not str(path):
        return shipped_descriptor()
    check_judge(path)
    return DlibRecogniser(path) if _is_face_api(Path(path)) else OnnxEmbedder(path)


def judge_in_words(path: str | PathLike[str] = "") -> str:
    """The same in words, with nothing read."""
    if not str(path):
        return "our descriptor"
    return DlibRecogniser.title if _is_face_api(Path(path)) else Path(path).stem


def check_judge(path: str | PathLike[str], what: str = "descriptor") -> None:
    """Raise InputError, calling it ``what``, unless there is a file, or a folder with both manifests of face-api."""
    try:
        if Path(path).is_dir() or _is_face_api(Path(path)):
            _models(Path(path))
        elif not Path(path).is_file():
            raise InputError(f"no such file; {EXPECTED}")
    except (InputError, OSError, ValueError) as error:
        raise InputError(f"{what} {str(path)!r}: {error}") from None


def _is_face_api(path: Path) -> bool:
    return path.suffix == ".json" or path.is_dir()


def _models(path: Path) -> Path:
    """The folder of the two manifests. Raises InputError where one of them is missing."""
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and not (folder / DESCRIPTOR).is_file() and (folder / "model").is_dir():
        folder = folder / "model"
    for name in (DESCRIPTOR, LANDMARKS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; {EXPECTED}")
    return folder
