"""Text for the terminal: findings, the summary of a result, plain lines that no width breaks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kinefuse.conventions import PROVENANCE
from kinefuse.recordings import Finding

LEVELS: Final = ("error", "warning", "info")
GROUP_NAMES: Final = {"lower": "lower body", "upper": "upper body", "all": "whole body"}
AGAINST: Final = {"measured": "", "treadmill": " against a belt", "legs": ", by the length of the legs"}
"""What lengths of strides are against, where that is not a measured place."""
_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "dim"}


def print_lines(lines: Iterable[str]) -> None:
    """Print lines to stdout as they are; long ones are left to the terminal to wrap."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line)


def print_findings(findings: Sequence[Finding], most: int | None = None) -> None:
    """Print findings, the gravest first; at most `most` and how many the report has besides, where there is one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    ordered = by_gravity(findings)
    shown = ordered if most is None else ordered[:most]
    for finding in shown:
        console.print(Text(f"{finding.level:>8}  ", _STYLES.get(finding.level, "")) + sentence(finding))
    if len(shown) < len(ordered):
        console.print(f"{'':>8}  and {len(ordered) - len(shown)} more in the report.")


def sentence(finding: Finding) -> str:
    """Return what a finding is about and its text, without saying the former twice."""
    told = finding.text.lower().startswith(finding.about.lower())
    return finding.text if told else f"{finding.about}: {finding.text}"


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, errors first, then warnings; otherwise in their order."""
    return sorted(findings, key=lambda f: LEVELS.index(f.level) if f.level in LEVELS else len(LEVELS))


def result_lines(quality: Mapping[str, Any]) -> list[str]:
    """Return the few numbers of ``quality.json`` that matter most, one line each."""
    motion = quality.get("motion", {})
    lines = [
        f"{motion.get('frames', 0)} frames at {number(motion.get('rate_hz'), '.4g')} Hz with {quality['estimator']}"
    ]
    lines += [str(quality["estimator_reason"])] if quality.get("estimator_reason") else []
    reprojection = quality.get("median_reprojection_px")
    if reprojection is not None:
        lines.append(f"reprojection of the points used: {reprojection:.1f} px (median)")
    fit = quality.get("fit") or {}
    if fit.get("median_mm") is not None:
        lines.append(f"measured points to the fitted body: {fit['median_mm']:.0f} mm (median)")
    shares = motion.get("provenance_mean", {})
    if shares:
        parts = ", ".join(f"{100 * shares.get(name, 0.0):.0f} % {name}" for name in PROVENANCE.values())
        lines.append(f"segments: {parts}")
    walking = quality.get("walking") or {}
    if walking.get("strides"):
        lines.append(
            f"walking: {walking['strides']} strides, {walking['speed_m_per_s']:.2f} m/s, "
            f"{walking['cadence_steps_per_min']:.0f} steps a minute, strides of {walking['stride_length_m']:.2f} m"
            + AGAINST[walking["place"]]
        )
    return lines + truth_lines(quality.get("truth") or {})


def truth_lines(truth: Mapping[str, Any]) -> list[str]:
    """Return the errors against the truth, one line a group of joints; none without a truth."""
    lines = []
    groups = truth.get("groups", {})
    rooted = truth.get("aligned") == "heading"
    places, of = ("mpjpe_root_mm", "joint centres about the root") if rooted else ("mpjpe_mm", "joint centres")
    for key, name in GROUP_NAMES.items():
        group = groups.get(key)
        if group is None:
            continue
        parts = [
            f"angles {number(group.get('angle_rmse_deg'), '.1f')}°",
            f"orientations {number(group.get('geodesic_deg'), '.1f')}°",
            f"{of} {number(group.get(places), '.0f')} mm",
        ]
        lines.append(f"error against the truth, {name}: {', '.join(parts)}")
    return lines


def number(value: float | None, form: str) -> str:
    """Return a number in a format, or ``?`` where it is unknown."""
    return "?" if value is None else format(value, form)
