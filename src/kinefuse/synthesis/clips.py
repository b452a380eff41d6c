"""One clip of motion capture as points of its source, in metres, with what had to be assumed or repaired.

A BVH or ASF file's unit of length is found by the length of a leg: there is one among metres, inches, centimetres,
millimetres and the CMU database's own in which thigh and shank together are those of a person.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.amass import read_amass
from kinefuse.formats.asf_amc import INCH, read_asf_amc
from kinefuse.formats.bvh import CENTIMETRE, CMU_UNIT, Bvh, read_bvh
from kinefuse.formats.c3d import read_c3d_points
from kinefuse.formats.cmu_bvh import repair_cmu
from kinefuse.formats.netcdf import read_motion
from kinefuse.formats.table_text import located
from kinefuse.formats.trc import read_trc
from kinefuse.formats.uiprmd import read_uiprmd
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, JointCenters
from kinefuse.synthesis.capture import markers_for
from kinefuse.synthesis.collection import ClipFile
from kinefuse.synthesis.skeletons import leg_length, recognise_skeleton, source_points

HIGHEST_RATE_HZ: Final = 60.0
FEWEST_FRAMES: Final = 3
UNITS: Final = {
    "metres": 1.0,
    "inches": INCH,
    "centimetres": CENTIMETRE,
    "millimetres": 0.001,
    "the CMU database's 5.64 cm": CMU_UNIT,
}
LEG_M: Final = (0.53, 1.15)
"""Thigh and shank together, from a child of six to a man of 2.2 m: a range too narrow for two of `UNITS`."""

USUAL_UNITS: Final = {"cmu": CMU_UNIT, "daz": CENTIMETRE, "amc": INCH}
"""Metres per unit of what the databases publish."""


def read_clip(file: ClipFile, smpl: BodyModel | None = None) -> tuple[JointCenters | Motion, tuple[Finding, ...]]:
    """Return a clip's points, at most at `HIGHEST_RATE_HZ` by leaving out frames, or its motion if it is one of ours.

    Parameters
    ----------
    file
    smpl : the user's SMPL model, which AMASS clips need

    Raises
    ------
    KinefuseError
        If the file cannot be read, is of no known source, or holds too little.
    """
    with file.opened() as paths:
        content, findings = _READERS[file.kind](file, paths, smpl)
    return content if isinstance(content, Motion) else _enough(content, file), findings


def _enough(points: JointCenters, file: ClipFile) -> JointCenters:
    with located(file.place):
        markers_for(points.names)  # or say which are known
    seen = np.isfinite(points.positions).all(-1).mean(axis=1) > 0.5
    if seen.sum() < FEWEST_FRAMES:
        raise FormatError(
            f"{file.place}: expected at least {FEWEST_FRAMES} frames with most of the points, got {int(seen.sum())} of "
            f"{len(seen)} frames; record or export it again."
        )
    return at_most(points, HIGHEST_RATE_HZ)


def at_most(points: JointCenters, rate_hz: float) -> JointCenters:
    """Return every second, third... frame, so that there are at most `rate_hz` in a second."""
    if len(points.time) < 2:
        return points
    own = (len(points.time) - 1) / float(points.time[-1] - points.time[0])
    step = max(1, int(-(-own // (rate_hz * 1.01))))
    return replace(points, time=points.time[::step], positions=points.positions[::step])


_Content = tuple[JointCenters | Motion, tuple[Finding, ...]]


def _bvh(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    clip, repairs = repair_cmu(read_bvh(paths[0], 1.0), file.clip)
    with located(paths[0]):
        skeleton = recognise_skeleton(clip.names)
    clip, assumed = _in_metres(clip, skeleton, USUAL_UNITS.get(skeleton), file)
    return source_points(clip, skeleton), (*repairs, *assumed)


def _amc(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    clip = read_asf_amc(paths[1], paths[0], unit_m=1.0)
    with located(paths[0]):
        skeleton = recognise_skeleton(clip.names)
    clip, assumed = _in_metres(clip, skeleton, USUAL_UNITS["amc"], file)
    rate = Finding("info", file.clip, "AMC files do not tell their rate; 120 Hz, as in CMU and HDM05, was assumed.")
    return source_points(clip, skeleton), (rate, *assumed)


def _points(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    read = read_c3d_points if paths[0].suffix.lower() == ".c3d" else read_trc
    points = read(paths[0], canonical=False)
    return replace(points, names=_without_prefix(points.names)), ()


def _without_prefix(names: tuple[str, ...]) -> tuple[str, ...]:
    """Take the subject's name off labels like ``Anna:LASI``, unless two points would then be called the same."""
    short = tuple(name.rsplit(":", 1)[-1] for name in names)
    return short if len(set(short)) == len(names) else names


def _uiprmd(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    return read_uiprmd(paths[0], file.array), ()


def _amass(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    return source_points(read_amass(paths[0], smpl), "smpl"), ()


def _motion(file: ClipFile, paths: list[Path], smpl: BodyModel | None) -> _Content:
    return read_motion(paths[0]), ()


_READERS: Final[dict[str, Callable[[ClipFile, list[Path], BodyModel | None], _Content]]] = {
    "bvh": _bvh,
    "amc": _amc,
    "points": _points,
    "uiprmd": _uiprmd,
    "amass": _amass,
    "motion": _motion,
}


def _in_metres(clip: Bvh, skeleton: str, usual: float | None, file: ClipFile) -> tuple[Bvh, tuple[Finding, ...]]:
    """Return the clip, whose lengths are in the file's unit, in metres; a finding where the unit is not the usual."""
    leg = leg_length(clip, skeleton)
    fitting = {name: unit for name, unit in UNITS.items() if LEG_M[0] <= unit * leg <= LEG_M[1]}
    if not fitting:
        raise KinefuseError(
            f"{file.place}: expected thigh and shank of {LEG_M[0]} to {LEG_M[1]} m together in {', '.join(UNITS)}; got "
            f"{leg:.4g}, which fits none of these units, so scale the file."
        )
    name, unit = next(iter(fitting.items()))
    scaled = replace(
        clip,
        offsets=clip.offsets * unit,
        translations=clip.translations * unit,
        end_sites={joint: end * unit for joint, end in clip.end_sites.items()},
    )
    if unit == usual:
        return scaled, ()
    text = f"Its lengths were taken to be in {name}, for a leg of {unit * leg:.2f} m from hip to ankle."
    return scaled, (Finding("info", file.clip, text),)
