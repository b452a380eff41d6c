"""What other tools made of a recorded trial, read from their files, to be judged beside our estimators alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError, hint
from kinefuse.estimators.registry import WITHOUT_PLACE
from kinefuse.evaluation.floor import MEAN_POSE
from kinefuse.evaluation.material import Clip
from kinefuse.formats.angle_tables import coordinates_called, read_angles
from kinefuse.formats.mvnx import read_mvnx
from kinefuse.formats.netcdf import read_motion
from kinefuse.formats.theia import read_theia
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, Recording

ANGLE_TABLES: Final = (".mot", ".sto")
READERS: Final[Mapping[str, Callable[[Path], Motion]]] = {".mvnx": read_mvnx, ".c3d": read_theia, ".nc": read_motion}
"""Suffix to what reads a whole motion."""

OF_SENSORS: Final = (".mvnx",)
"""Formats of tools that know neither the heading nor the place that the trial's truth has."""

MOST_OF: Final = 0.95
"""Share of the truth's time beyond which nothing is said of the rest."""


@dataclass(frozen=True, kw_only=True)
class OtherResult:
    """Another tool's result of one trial, in the place of an estimator.

    Attributes
    ----------
    name : what it is called in tables and files
    motion : on the trial's clock
    knows_heading : false where one constant heading and place are forgiven, as they are to our own estimators from
        inertial sensors alone
    """

    name: str
    motion: Motion
    knows_heading: bool = True

    def estimate(self, recording: Recording) -> Motion:
        """Return the tool's motion, whatever the recording."""
        return self.motion


def read_others(
    given: Sequence[str], flips: Sequence[str], shifts: Sequence[str], clips: Sequence[Clip], taken: Collection[str]
) -> tuple[list[OtherResult], list[Finding]]:
    """Return other tools' results of a trial.

    Parameters
    ----------
    given : ``FILE`` or ``NAME=FILE``; the name is the file's without its suffix if left out
    flips : ``COORDINATE`` or ``NAME:COORDINATE`` that tables of angles count the other way round
    shifts : ``SECONDS`` or ``NAME:SECONDS`` to add to a result's time
    clips : what is evaluated: one recorded trial
    taken : names of the estimators it will stand beside

    Raises
    ------
    KinefuseError
        If there is not one recorded trial, two bear one name, a file cannot be read, an option is none, or the results
        and the truth have no time in common.
    """
    named = [_named(text) for text in given]
    names = [name for name, _ in named]
    if not names:
        _require_none(flips, shifts)
        return [], []
    if len(clips) != 1 or clips[0].recording is None:
        raise KinefuseError(
            "Another tool's result is compared on the one trial that it is of: name one trial with its truth in "
            "reference/motion.nc, and nothing else."
        )
    twice = next((name for name in names if names.count(name) > 1 or name in {*taken, MEAN_POSE}), None)
    if twice is not None:
        raise KinefuseError(f"Two results would be called {twice!r}; give the file another name: NAME=FILE.")
    turned, moved = _for_names(flips, names, "--flip"), _for_names(shifts, names, "--shift")
    others = [_read(name, path, turned[name], _seconds(moved[name])) for name, path in named]
    remarks = [Finding("info", other.name, note) for other in others for note in other.motion.notes]
    return others, _shortened(others, clips[0].truth) + remarks


def _shortened(others: Sequence[OtherResult], truth: Motion) -> list[Finding]:
    """Say which part of the truth every result covers, if that is not nearly all of it."""
    start, end = common_span(others, truth)
    if end - start > MOST_OF * (truth.time[-1] - truth.time[0]):
        return []
    told = f"All are judged from {start:.2f} to {end:.2f} s, which every result covers"
    whole = f"the truth goes from {truth.time[0]:.2f} to {truth.time[-1]:.2f} s"
    return [Finding("warning", "time", f"{told}; {whole}.")]


def common_span(others: Sequence[OtherResult], truth: Motion | None = None) -> tuple[float, float]:
    """Return the seconds between which all results, and the truth, tell something; without any, from −∞ to ∞.

    Raises
    ------
    KinefuseError
        If there is no such time.
    """
    spans = {other.name: other.motion.time for other in others} | ({} if truth is None else {"the truth": truth.time})
    start = max((float(time[0]) for time in spans.values()), default=-np.inf)
    end = min((float(time[-1]) for time in spans.values()), default=np.inf)
    if start > end:
        told = ", ".join(f"{name} {time[0]:.2f} to {time[-1]:.2f} s" for name, time in spans.items())
        raise KinefuseError(f"The results have no time in common: {told}; bring them to one clock with --shift.")
    return start, end


def during(motion: Motion, span: tuple[float, float]) -> Motion:
    """Return the frames of a motion within a span of seconds, widened by a rounding error."""
    return motion.frames((motion.time >= span[0] - 1e-6) & (motion.time <= span[1] + 1e-6))


def _named(text: str) -> tuple[str, Path]:
    """Return name and file of ``FILE`` or ``NAME=FILE``; a file that exists is no name, whatever is in it."""
    name, equals, file = text.partition("=")
    if Path(text).exists() or not (equals and name and file):
        return Path(text).stem, Path(text)
    return name, Path(file)


def _require_none(flips: Sequence[str], shifts: Sequence[str]) -> None:
    if flips or shifts:
        raise KinefuseError("--flip and --shift are about results given by --compare; there is none.")


def _for_names(texts: Sequence[str], names: Sequence[str], option: str) -> dict[str, list[str]]:
    """Return the values of an option for each result; one without a name before its colon is for all."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for text in texts:
        name, colon, value = text.rpartition(":")
        if colon and name not in found:
            raise KinefuseError(f"{option} {text}: no result is called {name!r}{hint(name, names)}.")
        for each in [name] if colon else names:
            found[each].append(value)
    return found


def _seconds(texts: Sequence[str]) -> float:
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = [np.nan]
    if len(values) > 1 or not np.isfinite(values).all() or any(abs(value) > 1e9 for value in values):
        raise KinefuseError(f"--shift takes one number of seconds for each result, got {', '.join(texts)}.")
    return values[0] if values else 0.0


def _read(name: str, path: Path, flips: Sequence[str], shift_s: float) -> OtherResult:
    suffix = path.suffix.lower()
    if suffix not in (*READERS, *ANGLE_TABLES):
        raise KinefuseError(
            f"{path}: another tool's result is read from {', '.join((*ANGLE_TABLES, *READERS))}; export it so."
        )
    if flips and suffix not in ANGLE_TABLES:
        raise KinefuseError(f"{path}: only angles of a table can be flipped; name the table: --flip NAME:{flips[0]}.")
    if suffix in ANGLE_TABLES:
        flipped = dict.fromkeys(coordinate for flip in flips for coordinate in coordinates_called(flip))
        motion = read_angles(path, flipped)
    else:
        motion = READERS[suffix](path)
    knows_heading = suffix not in OF_SENSORS and motion.estimator not in WITHOUT_PLACE
    motion = replace(motion, time=motion.time + shift_s, estimator=name)
    return OtherResult(name=name, motion=motion, knows_heading=knows_heading)
