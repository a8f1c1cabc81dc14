"""Measuring as Sec. IV does: `pictures`, their rows (`protocol`), means with `intervals`, records (`command`)
and whether they still hold (`verify`)."""

from umsn.evaluation.command import (
    from_record,
    named_method,
    parse_sizes,
    parse_window,
    run,
    to_record,
    unseen_faces,
)
from umsn.evaluation.intervals import gains, measured_columns, pooled_f_scores, reliability, summarise
from umsn.evaluation.pictures import Batch, blurred_batches, published_batches
from umsn.evaluation.protocol import evaluate, evaluate_calibration, evaluate_masks, evaluate_pairs, measure
from umsn.evaluation.verify import Verdict, verify

__all__ = [
    "Batch",
    "Verdict",
    "blurred_batches",
    "evaluate",
    "evaluate_calibration",
    "evaluate_masks",
    "evaluate_pairs",
    "from_record",
    "gains",
    "measure",
    "measured_columns",
    "named_method",
    "parse_sizes",
    "parse_window",
    "pooled_f_scores",
    "published_batches",
    "reliability",
    "run",
    "summarise",
    "to_record",
    "unseen_faces",
    "verify",
]
