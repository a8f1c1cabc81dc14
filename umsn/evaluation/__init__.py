"""Measuring as Sec. IV does: a `protocol` blurs, `methods` restore, `rows` measures, `intervals` says how sure."""

from umsn.evaluation.intervals import (
    gains,
    in_words,
    measured_columns,
    pooled_f_scores,
    reliability,
    signed_in_words,
    summarise,
)
from umsn.evaluation.methods import TITLES, Method, methods_of, named, named_method, networks_of
from umsn.evaluation.protocol import BlurredBatch, Protocol, blurred_batches, published_batches
from umsn.evaluation.rows import (
    Measure,
    Progress,
    evaluate,
    evaluate_calibration,
    evaluate_masks,
    evaluate_pairs,
    measure,
)

__all__ = [
    "TITLES",
    "BlurredBatch",
    "Measure",
    "Method",
    "Progress",
    "Protocol",
    "blurred_batches",
    "evaluate",
    "evaluate_calibration",
    "evaluate_masks",
    "evaluate_pairs",
    "gains",
    "in_words",
    "measure",
    "measured_columns",
    "methods_of",
    "named",
    "named_method",
    "networks_of",
    "pooled_f_scores",
    "published_batches",
    "reliability",
    "signed_in_words",
    "summarise",
]
