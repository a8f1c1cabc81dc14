"""Which of the paper's claims hold here: `judging` has the rule, `listed` the claims and what decides each.

What is judged are numbers of records (`evidence`); `umsn.pages.figures.claims` makes words of them.
"""

from umsn.experiments.claims.judging import STATES, Effect, Finding, Less, judge
from umsn.experiments.claims.listed import CLAIMS, Claim, judged

__all__ = ["CLAIMS", "STATES", "Claim", "Effect", "Finding", "Less", "judge", "judged"]
