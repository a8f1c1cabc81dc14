"""The paper's claims, in its order: those of the abstract, of Sec. IV and of the appendices."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from umsn.experiments.claims import parts, people, restoring
from umsn.experiments.claims.judging import NOT_YET, Finding
from umsn.records import folder_of


class Claim(NamedTuple):
    """What the paper says, and what decides it here."""

    says: str
    where: str  #: in the paper
    chapter: str  #: of the book
    decide: Callable[[Path], Finding]
    needs: str = ""  #: what would decide it, as long as nothing does


def undecided(folder: Path) -> Finding:
    """Nothing that is recorded decides it."""
    return NOT_YET


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "UMSN takes blur out: a face comes nearer to the sharp one, as a whole and in each class",
        "not stated; only Table V has a row of blurred images",
        "08_results", restoring.nearer, "UMSN and the blurred images under the protocol, on photographs",
    ),
    Claim(
        "S-Net trained on sharp faces alone does worse on blurred ones",
        "Sec. IV-A.1, Table II", "03_parsing", parts.blur_hurts, "F-scores of S-Net after its first stage",
    ),
    Claim(
        "S-Net gains from a second training on blurred faces",
        "Sec. IV-A.1, Table II, Fig. 7", "03_parsing", parts.fine_tuning, "F-scores of S-Net after both stages",
    ),
    Claim(
        "A first-stage network removes most of the blur of its class",
        "Sec. IV-A.2, Fig. 8", "04_streams", undecided,
        "the squared error in the one class that is blurred, before and after each of the four streams, on photographs",
    ),
    Claim(
        "UMSN does significantly better than the state of the art",
        "abstract, Sec. IV-B.a, Table III", "08_results", restoring.rivals, "UMSN and rivals on the same images",
    ),
    Claim(
        "It does better than Shen et al. in each class",
        "Sec. IV-B.a, Table I", "08_results", restoring.classes,
        "the network of Shen et al. on the images that UMSN restores, measured class by class",
    ),
    Claim(
        "It does better than Song et al. on PubFig, and sharper without post-processing",
        "Sec. IV-B.a, IV-C, Fig. 13", "08_results", restoring.pubfig,
        "the 192 blurred images of Song et al. with their sharp ones, and what their method makes of them",
    ),
    Claim(
        "Features come nearer to the sharp face's than after other methods",
        "Sec. IV-B.b, Table IV", "10_recognition", people.nearer_features,
        "the rivals' restorations measured by VGG-Face; the record has UMSN, the blurred images and a stand-in",
    ),
    Claim(
        "More people are recognised than in blurred images",
        "Sec. IV-B.c, Table V", "10_recognition", people.recognised, "probes of many people, blurred and restored",
    ),
    Claim(
        "More people are recognised than after other methods",
        "Sec. IV-B.c, Table V", "10_recognition", people.recognised_over_rivals,
        "the rivals' restorations of the same probes; the record has UMSN's and the blurred images",
    ),
    Claim(
        "Its results are sharp and without artefacts, and add no part that is hidden",
        "Sec. IV-B.d, Fig. 9", "08_results", undecided,
        "raters who see UMSN's and the rivals' results without knowing whose they are",
    ),
    Claim(
        "On photographs of real blur it is sharper and clearer than other methods",
        "Sec. IV-B.d, Fig. 10", "08_results", undecided,
        "the 100 photographs of real blur, the rivals' results on them, and raters",
    ),
    Claim(
        "B-Net and UMSN have the same number of parameters",
        "Sec. IV-C", "09_ablation", parts.parameters,
    ),
    Claim(
        "UMSN does better than B-Net of the same size",
        "Sec. IV-C, Table VI", "09_ablation", parts.equal_size, "both networks after the same training",
    ),
    Claim(
        "The same whatever the seed",
        "not stated; Table VI has one training a row", "09_ablation", parts.over_seeds,
        "both networks trained with several seeds",
    ),
    Claim(
        "Maps, nested residuals, streams and confidences each improve the result",
        "Sec. IV-C, Table VI", "09_ablation", parts.each_part, "every row of Table VI trained with several seeds",
    ),
    Claim(
        "Nested residuals learn something else for each class",
        "Sec. IV-C, Fig. 12", "05_base", undecided,
        "how much of each class's residual map lies inside its class, over many faces and a trained network",
    ),
    Claim(
        "Confidences guide the network towards the eyes and the nose",
        "abstract, Sec. III-E", "06_confidence", undecided,
        "PSNR by class with and without the confidence-guided loss, over several seeds: do the parts gain most?",
    ),
    Claim(
        "Confidences grow as the network learns",
        "Appendix B, Table VII", "06_confidence", parts.confidence_grows, "confidences along a training",
    ),
    Claim(
        "Half way, the network is less sure of the parts than of the other classes",
        "Appendix B, Table VII", "06_confidence", parts.parts_lag, "confidences half way through a training",
    ),
    Claim(
        "Confidences are lower for a larger kernel",
        "Appendix B, Table VIII", "06_confidence", parts.confidence_falls, "confidences under two sizes of kernels",
    ),
    Claim(
        "Where S-Net's masks are poor, UMSN's results still please",
        "Appendix C, Fig. 14", "11_limits", undecided,
        "PSNR by how poor the masks are: S-Net's own, true, moved, empty, of the same images and over many faces",
    ),
    Claim(
        "Occlusion and low light defeat it",
        "Appendix C, Fig. 17, 18", "11_limits", restoring.conditions,
        "the same people as they are, occluded and in low light",
    ),
)  # fmt: skip


def judged(folder: str | PathLike[str] | None = None) -> pd.DataFrame:
    """All `CLAIMS`, judged from the records of a folder.

    Columns: those of `Claim` without ``decide``, and those of `umsn.experiments.claims.judging.Finding`.
    """
    found = [claim._asdict() | claim.decide(folder_of(folder))._asdict() for claim in CLAIMS]
    return pd.DataFrame(found).drop(columns="decide")
