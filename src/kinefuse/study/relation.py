"""What was found of one relation between methods, and how it is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kinefuse.metrics import statistics
from kinefuse.metrics.compare import Row

ALPHA: Final = 0.013
"""The paper's level of significance: 0.05 over four comparisons (Bonferroni)."""

ALPHA_SINGLE: Final = 0.05
"""Level of a test that stands alone: analyses of variance, lower against upper body."""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation, and what was found.

    Attributes
    ----------
    name : unique
    kind : relations of one kind stand together
    where : the noise of a ratio, in words; empty for analyses
    claim : what the paper found, or what would be good to find
    holds : None where it was not measured
    ratio : mean error of the first over that of the second
    limit : the ratio must not be greater
    p : of the test at joint × degree of freedom, two-sided, not corrected; compare it with `ALPHA`
    p_people : of the same test at people
    n, people, windows : movements, people and windows that went in
    numbers : mean errors in degrees and what else the sentence tells; the difference, its 95 % interval and effect size
        as `of_paired` calls them
    sentence : the finding in plain words
    short : the same in a few words, for analyses
    warning : which assumption of the test fails; empty if none
    warning_people : the same of the test at people
    """

    name: str
    kind: str
    claim: str
    where: str = ""
    holds: bool | None = None
    ratio: float = float("nan")
    limit: float = float("nan")
    p: float = float("nan")
    p_people: float = float("nan")
    n: int = 0
    people: int = 0
    windows: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    sentence: str = "Not measured."
    short: str = ""
    warning: str = ""
    warning_people: str = ""

    @property
    def verdict(self) -> str:
        """``"holds"``, ``"does not hold"`` or ``"not measured"``."""
        return "not measured" if self.holds is None else "holds" if self.holds else "does not hold"


def of_paired(test: statistics.PairedTest, ending: str = "") -> dict[str, float]:
    """Return what stands beside a p: the mean difference in degrees, its 95 % interval, effect sizes, Wilcoxon's p.

    Parameters
    ----------
    ending : of every name, such as ``"_people"``
    """
    numbers = {
        "difference_deg": test.difference,
        "ci_low_deg": test.ci_low,
        "ci_high_deg": test.ci_high,
        "d_z": test.d_z,
        "d_av": test.d_av,
        "p_wilcoxon": test.p_wilcoxon,
    }
    return {f"{name}{ending}": value for name, value in numbers.items()}


def p_in_words(p: float) -> str:
    """Return ``"p = 0.012"``, ``"p < 0.001"`` or that there was no test."""
    return statistics.p_in_words(p) if np.isfinite(p) else "p unknown"


def relation_rows(relations: Iterable[Relation]) -> list[Row]:
    """Return relations as rows of a table; what the numbers are called becomes a column."""
    return [
        {
            "relation": relation.name,
            "kind": relation.kind,
            "claim": relation.claim,
            "verdict": relation.verdict,
            "ratio": relation.ratio,
            "limit": relation.limit,
            "p": relation.p,
            "p_people": relation.p_people,
            "n": relation.n,
            "people": relation.people,
            "windows": relation.windows,
            "sentence": relation.sentence,
            "warning": relation.warning,
            "warning_people": relation.warning_people,
            **relation.numbers,
        }
        for relation in relations
    ]
