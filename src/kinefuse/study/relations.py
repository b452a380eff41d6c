"""The paper's relations between methods, measured: each holds, does not hold, or was not measured.

What is not measured never counts as holding. Two methods are compared on the windows that these two have,
whatever others have. Tests are paired at joint × degree of freedom, as in the paper, and beside that at people, which
are the only independent samples; the first is the easier one to pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.metrics.statistics import paired_t
from kinefuse.study.analyses import NETWORKS, across_activities, lower_against_upper, method_by_noise
from kinefuse.study.levels import LEVELS_MM, SIGMAS_DEG, find, noise_in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import title
from kinefuse.study.pairs import Pair, pair_of
from kinefuse.study.plan import Setting
from kinefuse.study.relation import ALPHA, Relation, of_paired, p_in_words


@dataclass(frozen=True)
class Claim:
    """That the first method's error is at most `limit` times that of the second, here.

    `significant` : whether the difference must also be significant at `ALPHA`.
    """

    kind: str
    first: str
    second: str
    sigma_deg: float
    level_mm: float | None
    limit: float
    significant: bool = False

    @property
    def name(self) -> str:
        """Unique among claims."""
        level = "clean" if self.level_mm is None else f"{self.level_mm:g}mm"
        return f"{self.first}/{self.second}@{self.sigma_deg:g}deg-{level}"

    @property
    def text(self) -> str:
        """The claim in words."""
        return f"{title(self.first)} {self._relation} {title(self.second)} ({self.where})"

    @property
    def where(self) -> str:
        """The noise in words."""
        return noise_in_words(self.sigma_deg, self.level_mm)

    @property
    def _relation(self) -> str:
        if self.significant:
            return "is better than"
        return "is no worse than" if self.limit == 1.0 else f"has at most {self.limit:g} times the error of"


MOUNTINGS: Final = tuple((sigma, 52.6) for sigma in SIGMAS_DEG)
POINTS: Final = tuple((0.0, level) for level in LEVELS_MM)

NOISY: Final = (*MOUNTINGS, (0.0, 70.5), (0.0, 101.1), (9.4, 70.5))
"""Every level of the paper but clean points: mounting error, degrees per axis, and error of the points, millimetres."""


BELIEVED: Final = {
    "IMUNet against IMU kinematics": "it is told a held pose, and each device's heading by its magnetometer, which "
    "IMUNet does not see",
    "VideoNet against SMPLify3D as published": "the body model that is fitted is the one on which the truth is posed, "
    "and its prior is of the same kind of movement, so it is better here than the paper's (13.6°)",
    "FusionNet against fusion by optimisation as published": "it is told a held pose and each device's orientation, "
    "and the body model that is fitted is the one on which the truth is posed",
    "FusionNet against fusion by optimisation, tuned": "it is told each device's orientation, looks at the whole "
    "recording at once, and the body model that is fitted is the one on which the truth is posed",
}
"""Why the method that is compared with may do better than in the paper; believed, not tested. By kind of relation."""


def claims() -> list[Claim]:
    """Return all ratios that are looked for."""
    sensors = [
        Claim("IMUNet against IMU kinematics", "imunet", "imu-kinematics", sigma, 52.6, limit)
        for sigma, limit in ((0.0, 1.1), (9.4, 0.62), (18.8, 0.50))
    ]
    points = [
        Claim(kind, "videonet", other, 0.0, level, limit)
        for kind, other, limit in (
            ("VideoNet against SMPLify3D as published", "smplify3d:paper", 0.52),
            ("VideoNet against SMPLify3D, tuned", "smplify3d", 1.0),
        )
        for level in (52.6, 70.5, 101.1)
    ]
    fused = [
        Claim(kind, "fusionnet", other, sigma, level, limit)
        for kind, other, limit in (
            ("FusionNet against fusion by optimisation as published", "fusion-optimisation:paper", 0.55),
            ("FusionNet against fusion by optimisation, tuned", "fusion-optimisation", 1.0),
        )
        for sigma, level in NOISY
    ]
    modalities = [
        Claim("FusionNet against either modality alone", "fusionnet", single, sigma, level, 1.0, significant=True)
        for single in ("videonet", "imunet")
        for sigma, level in NOISY
    ]
    return sensors + points + fused + modalities


def relations(results: Results, settings: Sequence[Setting]) -> list[Relation]:
    """Return every relation: ratios, then analyses of variance, lower against upper body, activities."""
    return [
        *(measured(results, settings, claim) for claim in claims()),
        method_by_noise(results, settings, "sensors", MOUNTINGS, ("imunet", "imu-kinematics", "fusionnet")),
        method_by_noise(results, settings, "points", POINTS, ("videonet", "smplify3d:paper", "smplify3d", "fusionnet")),
        *(lower_against_upper(results, settings, name) for name in NETWORKS),
        *(across_activities(results, settings, name) for name in NETWORKS),
    ]


def measured(results: Results, settings: Sequence[Setting], claim: Claim) -> Relation:
    """Return what became of a claim."""
    setting = find(settings, claim.sigma_deg, claim.level_mm)
    pair = None if setting is None else pair_of(results, setting.name, claim.first, claim.second)
    unknown = Relation(name=claim.name, kind=claim.kind, claim=claim.text, where=claim.where, limit=claim.limit)
    if pair is None or not np.isfinite(pair.ratio):
        return unknown
    return _compared(unknown, claim, pair)


def _compared(unknown: Relation, claim: Claim, pair: Pair) -> Relation:
    movements = paired_t(*pair.movements.T)
    people = paired_t(*pair.people.T)
    holds = pair.ratio <= claim.limit
    if claim.significant:
        holds = pair.ratio < claim.limit and movements.p < ALPHA
    first, second = pair.means
    numbers = {
        "first_deg": first,
        "second_deg": second,
        "first_sd_deg": pair.spreads[0],
        "second_sd_deg": pair.spreads[1],
        **of_paired(movements),
        **of_paired(people, "_people"),
    }
    return replace(
        unknown,
        holds=bool(holds),
        ratio=pair.ratio,
        p=movements.p,
        p_people=people.p,
        n=movements.n,
        people=people.n,
        windows=pair.windows,
        numbers=numbers,
        sentence=_sentence(claim, pair, bool(holds), movements.p, people.p),
        warning=movements.warning,
        warning_people=people.warning,
    )


def _sentence(claim: Claim, pair: Pair, holds: bool, p: float, p_people: float) -> str:
    first, second = pair.means
    goal = "" if claim.significant else f" (goal: at most {claim.limit:g})"
    return (
        f"With {claim.where}: {title(claim.first)} {first:.1f}°, "
        f"{title(claim.second)} {second:.1f}°, ratio {pair.ratio:.2f}{goal}: {'holds' if holds else 'does not hold'}; "
        f"{p_in_words(p)} over joint movements, {p_in_words(p_people)} over people, on {pair.windows} windows."
    )
