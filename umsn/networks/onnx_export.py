"""The walk of Fig. 2 as one ONNX file, for runtimes other than torch: ONNX Runtime here, a browser in the book.

ONNX Runtime computes the same numbers in about half of torch's time on a CPU (the book's page on speed measures it).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from umsn.faces import SIDE
from umsn.files import InputError, check_folder, check_regular, read_bytes, whole
from umsn.networks.weights import Pipeline

#: The most that any number may differ from torch's. (Not on an image of one colour without noise: there instance
#: normalisation divides rounding by rounding, and no two programs agree.)
AGREES = 1e-3
#: The key of field 1000, of 32 bytes, in the format that ONNX files have.
SEAL = b"\xc2\x3e\x20"
OPSET = 18  #: of ONNX: what its runtimes of 2023 and later understand

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MISSING = 'needs ONNX, which is not installed; pip install "umsn[onnx]"'


class Walk(nn.Module):
    """blurred (B, 3, H, W)  ->  restored (B, 3, H, W), clipped to [0, 1], and masks (B, K, H, W)."""

    def __init__(self, networks: Pipeline) -> None:
        super().__init__()
        self.snet, self.network = networks.snet, networks.network

    def forward(self, blurred: Tensor) -> tuple[Tensor, Tensor]:
        masks = self.snet.masks(blurred)
        return self.network(blurred, masks).restored.clamp(0, 1), masks


def export(networks: Pipeline, path: str | PathLike[str], *, sealed: bool = False) -> None:
    """Write S-Net and the deblurring network as one ONNX file, whole: any number of images of 128 x 128.

    Its input is "blurred" (B, 3, 128, 128), its outputs are "restored" and "masks" (B, K, 128, 128). It takes some ten
    seconds. A ``sealed`` file ends with its digest, so that a bit that flips is noticed. Raises InputError where onnx
    is not installed or the networks make numbers that are not finite, and RuntimeError should the file disagree with
    torch.
    """
    walk = Walk(networks).eval()
    pictures = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = walk(pictures)
    if not all(bool(part.isfinite().all()) for part in expected):
        raise InputError(f"weights {networks.digest}: make numbers that are not finite; trained ones were expected")
    try:
        with _quiet():
            program = torch.onnx.export(
                walk,
                (pictures,),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                verbose=False,
                input_names=["blurred"],
                output_names=["restored", "masks"],
                dynamic_shapes={"blurred": {0: torch.export.Dim("pictures", min=1, max=1024)}},
            )
    except ImportError:
        raise InputError(f"{path}: {MISSING}") from None
    with whole(path) as beside:
        program.save(beside)
        both = zip(Exported(beside)(pictures), expected, strict=True)
        apart = max(float((found - other).abs().max()) for found, other in both)
        if not apart <= AGREES:
            raise RuntimeError(f"{path}: differs from torch by {apart:.2g}; at most {AGREES} was expected")
        if sealed:
            _seal(beside)


@contextlib.contextmanager
def _quiet():
    """torch reports every step of an export, and every operator of libraries that are not there."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def session(path: str | PathLike[str], *, threads: int | None = None) -> InferenceSession:
    """A network in an ONNX file, to be run on the CPU. Raises InputError without onnxruntime or a usable file."""
    check_regular(path, "a network (.onnx) was expected")
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path}: {MISSING}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no narrower public base
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a network that ONNX Runtime can run ({reason})") from None


class Exported:
    """The walk in a file, computed by ONNX Runtime on the CPU. Raises InputError where the file cannot be run."""

    def __init__(self, path: str | PathLike[str], *, threads: int | None = None) -> None:
        self.session = session(path, threads=threads)

    def __call__(self, blurred: Tensor) -> tuple[Tensor, Tensor]:
        """restored (B, 3, 128, 128) and masks (B, K, 128, 128), of blurred (B, 3, 128, 128) RGB in [0, 1]."""
        found = self.session.run(["restored", "masks"], {"blurred": blurred.detach().cpu().float().numpy()})
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])


class Fast:
    """What networks restore, by ONNX Runtime where images are of 128 x 128, and by torch where they are not."""

    def __init__(self, networks: Pipeline, *, folder: str | PathLike[str] | None = None) -> None:
        """The exported file is kept in ``folder`` (by default the user's cache) under the digest of the weights.

        It ends in a digest of its own, so that one which was spoilt is noticed and made anew.
        """
        device = next(networks.network.parameters()).device
        if device.type != "cpu":
            raise InputError(f"fast on device {str(device)!r}: ONNX Runtime computes on the CPU; expected cpu")
        self.networks = networks
        path = _cache(folder) / f"{networks.digest}-{OPSET}.onnx"
        if not _is_sealed(path):
            check_folder(path.parent)
            export(networks, path, sealed=True)
        self.exported = Exported(path)

    def __call__(self, blurred: Tensor) -> Tensor:
        """blurred (B, 3, H, W) RGB in [0, 1]  ->  restored, the same."""
        if blurred.shape[-2:] != (SIDE, SIDE):
            return self.networks(blurred).restored
        restored = self.exported(blurred)[0]
        if not bool(restored.isfinite().all()):
            raise InputError(f"weights {self.networks.digest}: make numbers that are not finite")
        return restored


def _seal(path: Path) -> None:
    """End a file with the digest of what it holds, as a field of ONNX that no reader knows and all pass over."""
    content = path.read_bytes()
    path.write_bytes(content + SEAL + hashlib.sha256(content).digest())


def _is_sealed(path: Path) -> bool:
    try:
        content = read_bytes(path, "a network (.onnx) was expected")
    except InputError:
        return False
    return content[-32 - len(SEAL) :] == SEAL + hashlib.sha256(content[: -32 - len(SEAL)]).digest()


def _cache(folder: str | PathLike[str] | None) -> Path:
    if folder is not None:
        return Path(folder)
    try:
        import platformdirs
    except ImportError:
        raise InputError(f"fast: {MISSING}") from None
    return platformdirs.user_cache_path("umsn", appauthor=False)
