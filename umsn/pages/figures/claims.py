"""The table of the paper's claims, as `umsn.experiments.claims` judges them from the records."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import pandas as pd

from umsn.pages.figures.results import link


@dataclass(frozen=True)
class Claims:
    """The table of claims for the page; ``frame`` has the columns of `umsn.experiments.claims.judged`."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("the paper's claim", "state", "why"))
        rows = "\n".join(_row(row) for row in self.frame.itertuples())
        caption = "<caption>The paper's claims, judged from the records of this book</caption>"
        return f'<table class="claims">\n{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'


def _row(row: object) -> str:
    said = f'<a href="{row.chapter}.html">{escape(row.claim)}</a>'
    source = f" <small>From {', '.join(link(name) for name in row.records)}.</small>" if row.records else ""
    return f'<tr><th scope="row">{said}</th><td>{row.state}</td><td>{escape(row.why)}.{source}</td></tr>'
