"""The parameters of an edition: their names, defaults and types, and the one place where they are looked at."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from typing import Any

from umsn import processes
from umsn.data.chosen import Folder, chosen
from umsn.files import InputError
from umsn.recipes import recipe as recipe_called
from umsn.recognition import check_judge

#: What a notebook may declare, with the embedded default: name -> (default, type).
PARAMETERS: Mapping[str, tuple[Any, tuple[type, ...]]] = {
    "recipe": ("laptop", (str,)),  #: how much is computed, of `umsn.recipes.RECIPES`
    "seed": (0, (int,)),  #: of everything random
    "device": ("auto", (str,)),  #: cpu, cuda, cuda:N or auto
    "faces": ("", (str,)),  #: a folder to train on; without one, synthetic faces
    "layout": ("labelmap", (str,)),  #: how that folder is laid out (`umsn.data.datasets`)
    "test": ("", (str,)),  #: a folder to measure on; without one, synthetic people whom no training draws
    "test_layout": (
        "labelmap",
        (str,),
    ),  #: how that folder is laid out; pairs: *_gt and *_blur, blurred by somebody else
    "window": ("", (str,)),  #: ROW,COLUMN,HEIGHT,WIDTH of the test images that is measured
    "gallery": ("", (str,)),  #: a folder with identities.csv for Top-K; without one, synthetic people
    "gallery_layout": ("labelmap", (str,)),  #: how that folder is laid out
    "descriptor": (
        "",
        (str,),
    ),  #: who judges: an ONNX file, or face-api's folder; or VGG-Face's weights for Table IV; else our stand-in
    "weights": ("auto", (str,)),  #: edition (its own), package, or a file; auto: its own where the recipe trains long
    "runs": ("", (str,)),  #: where editions are kept; without one, runs/ of the repository
    "minutes": (None, (int, float, type(None))),  #: that a notebook's trainings may take together
}

#: How the cell begins that papermill puts behind a notebook's own parameters.
INJECTED = "# Parameters"


def checked(names: Mapping[str, Any]) -> dict[str, Any]:
    """All `PARAMETERS`, those among a notebook's variables ``names`` and the defaults of the others.

    Raises InputError, in one line and before anything is computed, for a parameter that no notebook has (papermill
    injects any) or that this one does not use, for a value of another type or out of bounds, for a recipe or device
    that is not there, and for a missing folder or file.
    """
    given = {**{name: default for name, (default, _) in PARAMETERS.items()}, **_plain(names)}
    recipe_called(given["recipe"])
    given["device"] = processes.device_called(given["device"])
    if given["seed"] < 0:
        raise InputError(f"seed {given['seed']}: expected at least 0")
    if given["minutes"] is not None and not given["minutes"] > 0:
        raise InputError(f"minutes {given['minutes']}: expected more than 0")
    if given["weights"] not in ("auto", "edition", "package") and not os.path.isfile(given["weights"]):
        raise InputError(f"weights {given['weights']!r}: expected auto, edition, package or a file of networks")
    if given["descriptor"]:
        check_judge(given["descriptor"])
    return given


def _plain(names: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters among a notebook's variables. Raises InputError for others and for wrong types."""
    mine = _told(names["In"]) if names.get("In") else _simple(names)
    if unknown := sorted(set(mine) - set(PARAMETERS)):
        raise InputError(f"parameter {unknown[0]!r}: expected one of {', '.join(PARAMETERS)}")
    for name, value in mine.items():
        kinds = PARAMETERS[name][1]
        if isinstance(value, bool) or not isinstance(value, kinds):
            expected = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in kinds)
            raise InputError(f"parameter {name} = {value!r}: expected {expected}")
    return mine


def _simple(names: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with plain values, but for constants and what a shell keeps."""
    plain = (str, int, float, list, tuple, dict, type(None))
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, plain) and not name.startswith("_") and not name.isupper() and name not in ("In", "Out")
    }


def _told(cells: Sequence[str]) -> dict[str, Any]:
    """What a notebook's cells of parameters say, the later ones last: its own, and the one that papermill puts in.

    These are the cells of plain assignments alone before the edition is opened; run again later, those that name a
    parameter. So a chapter can be opened anew at any time, whatever its variables are called. Raises InputError where
    papermill puts in a parameter that the notebook's own cell lacks: it would be ignored.
    """
    found, begun = {}, False
    for cell in cells:
        told = _assigned(cell)
        if told is None:
            begun |= "opened(vars())" in cell
        elif cell.startswith(INJECTED) and (ignored := sorted(set(told) & set(PARAMETERS) - set(found))):
            raise InputError(f"parameter {ignored[0]!r}: this notebook does not use it; it has {', '.join(found)}")
        elif not begun or set(told) & set(PARAMETERS):
            found |= told
    return found


def _assigned(cell: str) -> dict[str, Any] | None:
    """The names and values that a cell of plain assignments gives; None for any other."""
    try:
        lines = ast.parse(cell).body
        return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    except (SyntaxError, ValueError, AttributeError, TypeError, MemoryError, RecursionError):
        return None


def folder_of(given: Mapping[str, Any], name: str, layout: str) -> Folder | None:
    """The folder of that parameter; None without one. Raises InputError where it is not there."""
    if not given[name]:
        return None
    found = chosen(given[name], layout=given[layout], what=name)
    if not isinstance(found, Folder):
        raise InputError(f"{name} {given[name]!r}: expected a folder in the layout {given[layout]}")
    return found
