"""An edition: one recipe, one seed, one set of faces, one device; every notebook makes its own evidence for it.

A notebook declares in its ``parameters`` cell what it uses of `parameters.PARAMETERS` and opens the edition by them.
Checkpoints, figures and records of an edition lie in one folder of ``runs/``, where its other notebooks find them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from umsn import places, recognition
from umsn.data import INNER, UNSEEN, datasets, synthetic, unseen_faces
from umsn.data.chosen import Chosen, Drawn, Folder
from umsn.data.datasets import WIDE, Pairs, load_pairs
from umsn.evaluation import Measure, Method, Protocol, evaluate, evaluate_masks, evaluate_pairs
from umsn.evaluation.methods import UNTRAINED, restoring
from umsn.experiments.parameters import checked, folder_of
from umsn.faces import FaceSet, Window
from umsn.files import InputError, write_json
from umsn.networks import weights as weights_of
from umsn.networks.weights import Pipeline
from umsn.recipes import LONG, Recipe
from umsn.recipes import recipe as recipe_called
from umsn.recognition import VGGFace, read_vgg_face
from umsn.training import stages, together
from umsn.training.stages import Run

#: Data sets that tables of the paper name, by what layouts and folders are called.
DATA_SETS = {"helen": "Helen", "celeba": "CelebA", "pubfig": "PubFig"}

#: Minutes that a stage may take, by recipe, so that a busy machine makes a shorter training and not a longer wait. An
#: idle one stays below them; where a stage is cut, the pages say so.
STAGE_MINUTES = {"laptop": 3.0}

#: What files of VGG-Face's weights end in.
VGG_FACE = (".pth", ".pt", ".safetensors")


class Measured(NamedTuple):
    """What is measured: sharp faces to be blurred here, or pairs that somebody else blurred."""

    title: str  #: as tables name it: Helen, CelebA, PubFig, synthetic faces, or the folder
    faces: FaceSet
    window: Window | None
    pairs: Pairs | None = None

    def cut(self, image: Tensor) -> Tensor:
        """The part of (.., H, W) that is measured."""
        return image if self.window is None else self.window.crop(image)


@dataclass(frozen=True)
class Edition:
    """What the parameters of a notebook ask for; `opened` makes one."""

    recipe: Recipe
    seed: int
    device: str
    faces: Chosen
    test: Chosen
    window: Window | None
    gallery: Folder | None
    descriptor: str
    weights: str
    runs: Path
    minutes: float | None

    @property
    def folder(self) -> Path:
        """Where everything of it lies: RUNS/<recipe>-<seed>, and the name of the faces where they are somebody's."""
        named = f"-{re.sub(r'[^A-Za-z0-9]+', '-', str(self.faces))}" if isinstance(self.faces, Folder) else ""
        return self.runs / f"{self.recipe.name}-{self.seed}{named}"

    @property
    def trained_on(self) -> str:
        """The training faces in words."""
        return _title(self.faces) if isinstance(self.faces, Folder) else f"{self.faces} synthetic faces"

    @cached_property
    def run(self) -> Run:
        """Where the stages leave their checkpoints."""
        return Run(self.folder, self.recipe, self.seed)

    @cached_property
    def training_faces(self) -> FaceSet:
        """The faces that it is trained on, drawn once and kept or read from their folder."""
        if isinstance(self.faces, Folder):
            return datasets.load(self.faces.path, layout=self.faces.layout)
        return stages.prepared(self.recipe, self.seed, self.runs)[1]

    def train(self, names: Sequence[str] = stages.UP_TO_UMSN) -> dict[str, list[dict[str, float]]]:
        """Run stages, each from its checkpoint if it has one, on the device and within the minutes; their histories.

        Long trainings are measured along their way on synthetic people, the same whatever else is measured. A stage
        of a short recipe takes `STAGE_MINUTES` at most.
        """
        unseen = unseen_faces(stages.VALIDATED, seed=self.seed) if self.long else None
        options = {"device": self.device, "minutes": self.minutes, "validation": unseen}
        each = STAGE_MINUTES.get(self.recipe.name)
        return together.train(self.run, self.training_faces, names, each=each, **options)

    def cut(self, histories: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
        """What a caption adds where stages were cut at their minutes: how far each came; else nothing."""
        ends = {
            name: (steps[-1]["step"], stages.STAGES[name].plan(self.recipe).iterations)
            for name, steps in histories.items()
            if steps
        }
        short = [
            f"{name} after {step:,} of {wanted:,} iterations" for name, (step, wanted) in ends.items() if step < wanted
        ]
        return f"; out of time: {', '.join(short)}" if short else ""

    def pipeline(self, row: str = "umsn", device: str = "cpu") -> Pipeline:
        """Trained networks of a row of Table VI, by ``weights``: the edition's own, the package's or a file's.

        The edition's own are trained now where no notebook has yet.
        """
        if self.weights == "package":
            return weights_of.shipped(row, device)
        if self.weights != "edition":
            return weights_of.pipeline(self.weights, device)
        return self.own(row, device)

    def own(self, row: str, device: str = "cpu") -> Pipeline:
        """The edition's own networks of a row of Table VI, trained now where they have not been."""
        path = self.folder / "exported" / f"{row}.safetensors"
        before = [] if self.run.checkpoint(row).exists() else stages.UP_TO_UMSN[:-1]
        self.train(tuple(dict.fromkeys([*before, row])))
        stages.export(self.run, row, path, {})
        return weights_of.pipeline(path, device)

    @property
    def weights_in_words(self) -> str:
        """Whose networks `pipeline` gives."""
        named = {"package": "the package's networks", "edition": f"networks trained under {self.recipe.name}"}
        return named.get(self.weights, f"networks of {Path(self.weights).name}")

    @cached_property
    def test_set(self) -> Measured:
        """What the notebooks measure on: the recipe's number of faces at most."""
        count = self.recipe.test_faces
        if isinstance(self.test, Drawn):
            return Measured("synthetic faces", unseen_faces(count, seed=self.seed), INNER)
        if self.test.layout == "pairs":
            pairs = load_pairs(self.test.path, limit=count)
            return Measured(_title(self.test, pairs), pairs.faces, self.window, pairs)
        faces = datasets.load(self.test.path, layout=self.test.layout, limit=count)
        wide = faces.photos.shape[-2:] == (WIDE, WIDE)
        return Measured(_title(self.test), faces, self.window or (INNER if wide else None))

    @cached_property
    def labelled(self) -> Measured:
        """The test set where its faces have labels and are sharp; else synthetic people, whose labels are exact."""
        some = self.test_set
        if some.faces.labels is not None:
            return some
        return Measured("synthetic faces", unseen_faces(self.recipe.test_faces, seed=self.seed), INNER)

    def protocol(self, **changes: Any) -> Protocol:
        """The protocol of its measurements; ``changes`` as fields of `Protocol`."""
        asked = {"per_size": self.recipe.test_kernels, "seed": self.seed, "window": self.test_set.window}
        return Protocol(**{**asked, **changes})

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods of Table III that it measures: where the recipe is long, all that run; else the two ends."""
        return ("blurred", *(n for n in UNTRAINED if n != "blurred"), "umsn") if self.long else ("blurred", "umsn")

    @property
    def long(self) -> bool:
        """Whether its recipe trains long enough for its own networks to be the ones that count."""
        return self.recipe.name in LONG

    def methods(self, names: Sequence[str]) -> dict[str, Method]:
        """Methods by name, on its device."""
        return {name: UNTRAINED.get(name) or restoring(self.pipeline(name, self.device)) for name in names}

    def measure(
        self, methods: Mapping[str, Method], *, also: Mapping[str, Measure] | None = None, **changes: Any
    ) -> pd.DataFrame:
        """Rows of methods on the test set (`evaluate`, for pairs `evaluate_pairs`), computed on its device.

        ``also``: what else is measured, as for `evaluate`; ``changes``: of the protocol.
        """
        some, options = self.test_set, {"device": self.device, "also": also}
        if some.pairs is not None:
            return evaluate_pairs(methods, some.pairs, window=some.window, **options)
        return evaluate(methods, some.faces, self.protocol(**changes), **options)

    def measure_masks(self, parsers: Mapping[str, nn.Module], **changes: Any) -> pd.DataFrame:
        """F-scores of parsers on the labelled faces, computed on its device."""
        there = {name: parser.to(self.device) for name, parser in parsers.items()}
        asked = self.protocol(window=self.labelled.window, **changes)
        rows = evaluate_masks(there, self.labelled.faces, asked, device=self.device)
        for parser in parsers.values():
            parser.to("cpu")
        return rows

    def people(self, count: int, shots: int) -> FaceSet:
        """Who probes and gallery of Table V show, in the order of people: of the gallery's folder, or synthetic.

        Of a folder everybody with two photographs or more is taken, up to ``count`` people and ``shots`` photographs
        each. Raises InputError for a folder without identities.csv.
        """
        if self.gallery is None:
            who = {"identities": range(UNSEEN, UNSEEN + count), "shots_per_identity": shots}
            return synthetic.faces(count * shots, seed=self.seed, **who)
        faces = datasets.load(self.gallery.path, layout=self.gallery.layout)
        if faces.identities is None:
            raise InputError(f"{self.gallery.path}: no identities.csv; a gallery says whose each photograph is")
        owners, counts = faces.identities.unique(return_counts=True)
        chosen_people = owners[counts > 1][:count].tolist()
        if not chosen_people:
            raise InputError(f"{self.gallery.path}: nobody with two photographs; a probe and its gallery were expected")
        picked = [(faces.identities == who).nonzero()[:shots, 0] for who in chosen_people]
        return faces.some(torch.cat(picked))

    @property
    def _gives_vgg_face(self) -> bool:
        """Whether ``descriptor`` names weights of VGG-Face, which measure distances, and not a network in ONNX."""
        return Path(self.descriptor).suffix in VGG_FACE

    @property
    def judge_in_words(self) -> str:
        """What says whose face it is."""
        return recognition.judge_in_words(self._judging)

    def judge(self) -> recognition.Judge:
        """What says whose face it is: what was given, an ONNX network or face-api's, or the package's stand-in."""
        return recognition.judge(self._judging)

    @property
    def _judging(self) -> str:
        return "" if self._gives_vgg_face else self.descriptor

    def vgg_face(self) -> VGGFace | None:
        """The VGG-Face of Table IV, where ``descriptor`` names its weights; on the edition's device.

        Raises InputError as `read_vgg_face` does.
        """
        return read_vgg_face(self.descriptor).to(self.device) if self._gives_vgg_face else None

    @property
    def setting(self) -> str:
        """Recipe, test set and kernels in words, for the head of a table's column."""
        some = self.test_set
        kernels = f"{len(some.pairs.pairs)} blurred images" if some.pairs else f"{8 * self.recipe.test_kernels} kernels"
        return f"{self.recipe.name}, {len(some.faces)} faces, {kernels}; {self.weights_in_words}"

    def keep(self, name: str, record: Mapping[str, Any]) -> Path:
        """Write a record of the edition, RUNS/<edition>/records/NAME.json."""
        path = self.folder / "records" / f"{name}.json"
        write_json(path, record)
        return path

    def facts(self) -> dict[str, str]:
        """The edition in words, for the first table of a chapter and for `facts` of records."""
        return {
            "recipe": self.recipe.name,
            "seed": str(self.seed),
            "device": self.device,
            "trained on": self.trained_on,
            "measured on": _title(self.test) if isinstance(self.test, Folder) else "synthetic people, unseen",
            "weights": self.weights_in_words,
        }


def opened(names: Mapping[str, Any]) -> Edition:
    """The edition that a notebook's parameters ask for: ``names`` are the notebook's variables, ``vars()``.

    Raises InputError as `parameters.checked` does, before anything is computed.
    """
    given = checked(names)
    chosen_recipe = recipe_called(given["recipe"])
    auto = "edition" if chosen_recipe.name in LONG else "package"
    edition = Edition(
        recipe=chosen_recipe,
        seed=given["seed"],
        device=given["device"],
        faces=folder_of(given, "faces", "layout") or Drawn(chosen_recipe.faces),
        test=folder_of(given, "test", "test_layout") or Drawn(chosen_recipe.test_faces),
        window=Window.parse(given["window"]) if given["window"] else None,
        gallery=folder_of(given, "gallery", "gallery_layout"),
        descriptor=given["descriptor"],
        weights=auto if given["weights"] == "auto" else given["weights"],
        runs=Path(given["runs"] or places.home() / "runs"),
        minutes=given["minutes"],
    )
    os.environ.setdefault(places.FIGURES, str(edition.folder / "figures"))
    return edition


def _title(folder: Folder, pairs: Pairs | None = None) -> str:
    """The data set's name: the paper's where layout or folders are called so, else the folder's own."""
    words = [folder.layout, folder.path.name]
    words += [path.name for path in folder.path.glob("*") if path.is_dir()] if pairs is not None else []
    for word in words:
        for key, title in DATA_SETS.items():
            if key in word.lower():
                return title
    return folder.path.name
