"""Measuring methods as Sec. IV does: rows (`protocol`), means with intervals (`intervals`), records (`command`)."""

from umsn.evaluation.command import from_record, named_method, parse_sizes, parse_window, run, to_record
from umsn.evaluation.intervals import gains, measured_columns, pooled_f_scores, summarise
from umsn.evaluation.protocol import Batch, blurred_batches, evaluate, evaluate_masks, measure

__all__ = [
    "Batch",
    "blurred_batches",
    "evaluate",
    "evaluate_masks",
    "from_record",
    "gains",
    "measure",
    "measured_columns",
    "named_method",
    "parse_sizes",
    "parse_window",
    "pooled_f_scores",
    "run",
    "summarise",
    "to_record",
]
