"""Inputs that nobody wants to meet, by kind: what each is called, and what is done with it in an empty folder."""

from hostile.cases import FACE, chunk, files, spoilt, tiff
from hostile.editions import editions, measures, pairs, rivals, writers
from hostile.orders import VALUES, by_hand, changed, inside, options
from hostile.pictures import odd_pictures, pictures
from hostile.places import at, names, places
from hostile.tables import data_sets, kernels
from hostile.trained import checkpoints, trained

__all__ = [
    "FACE",
    "VALUES",
    "at",
    "by_hand",
    "changed",
    "checkpoints",
    "chunk",
    "data_sets",
    "editions",
    "files",
    "inside",
    "kernels",
    "measures",
    "names",
    "odd_pictures",
    "options",
    "pairs",
    "pictures",
    "places",
    "rivals",
    "spoilt",
    "tiff",
    "trained",
    "writers",
]
