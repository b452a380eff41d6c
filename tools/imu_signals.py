"""Readings of real and of virtual sensors, in stretches of walking and of rest, for `compare_imus`."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from scipy.io import loadmat

from kinefuse.body.kinematics import joint_positions, world_from_local
from kinefuse.conventions import COORDINATES, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.rotations import rotvec_from_matrix
from kinefuse.synthesis.imus import ImuFaults, virtual_imus
from kinefuse.synthesis.prepared import ROTATION_UNIT, PreparedClip

REAL = Path(os.environ.get("KINEFUSE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "real"
RATE_HZ: Final = 100.0
SITES: Final = ("foot", "shank", "thigh", "pelvis", "thorax", "head", "upper_arm", "forearm")

WALKERS: Final = ("cmu_007", "cmu_035", "cmu_039")
CLIPS_EACH: Final = 6
QUIET_PEOPLE: Final = 4
EDGE_S: Final = 0.3
"""At the ends of a clip the low-pass knows one side only."""

QMT_WALKS: Final = ((97.0, 114.0), (117.0, 137.0))
QMT_RESTS: Final = ((40.2, 43.8), (53.0, 78.0))
QMT_NAMES: Final = {"shank": "lower_leg", "thigh": "upper_leg", "pelvis": "hip", "thorax": "upper_back"}
OPENSENSE_WALK: Final = (10.0, 24.0)
OPENSENSE_REST: Final = (0.0, 4.8)
OPENSENSE: Final = {
    "00B42268": "thorax", "00B42279": "pelvis", "00B4227C": "thigh", "00B4227D": "shank", "00B421EF": "foot",
    "00B421EE": "thigh", "00B421ED": "shank", "00B421E6": "foot",
}  # fmt: skip

Pair = tuple[np.ndarray, np.ndarray]
"""Specific force and angular rate, (T, 3) each, at `RATE_HZ`."""


@dataclass
class Source:
    """Stretches of walking and of rest, by site without its side."""

    name: str
    walks: dict[str, list[Pair]] = field(default_factory=dict)
    rests: dict[str, list[Pair]] = field(default_factory=dict)


def stretch(pair: Pair, start_s: float, end_s: float) -> Pair:
    """Return a part of a recording."""
    part = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
    return pair[0][part], pair[1][part]


def read_qmt() -> Source:
    """Sixteen raw sensors of a whole body, worn on clothes; see the README beside the file."""
    stored = loadmat(REAL / "qmt_fullbody_imu" / "full_body_example_data.mat", squeeze_me=True, struct_as_record=False)
    source, start = Source("qmt"), float(stored["t"][0])
    for site in SITES:
        name = QMT_NAMES.get(site, site)
        for key in (name, f"{name}_left", f"{name}_right"):
            if key in stored:
                pair = stored[key].acc, stored[key].gyr
                source.walks.setdefault(site, []).extend(stretch(pair, a - start, b - start) for a, b in QMT_WALKS)
                source.rests.setdefault(site, []).extend(stretch(pair, a - start, b - start) for a, b in QMT_RESTS)
    return source


def read_opensense() -> Source:
    """Eight Xsens MTw on legs and trunk. They have no gyroscope: the angular rate is that of their orientations."""
    source = Source("OpenSense")
    for path in sorted((REAL / "opensense_walking" / "IMUData").glob("*.txt")):
        site = OPENSENSE[path.stem[-8:]]
        rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("//")]
        column = {name: i for i, name in enumerate(rows[0])}
        force = np.array([[float(row[column[f"Acc_{axis}"]]) for axis in "XYZ"] for row in rows[1:]])
        names = [f"Mat[{i}][{j}]" for i in "123" for j in "123"]
        R = np.array([[float(row[column[name]]) for name in names] for row in rows[1:]]).reshape(-1, 3, 3)
        rate = rotvec_from_matrix(np.swapaxes(R[:-1], 1, 2) @ R[1:]) * RATE_HZ
        pair = force[:-1], rate
        source.walks.setdefault(site, []).append(stretch(pair, *OPENSENSE_WALK))
        source.rests.setdefault(site, []).append(stretch(pair, *OPENSENSE_REST))
    return source


def motion_of(clip: PreparedClip) -> Motion:
    """Return a prepared clip as motion."""
    R = world_from_local(torch.as_tensor(clip.local_matrices()))
    rest = clip.rest_positions.astype(float)
    return Motion(
        time=np.arange(len(R)) / clip.rate_hz,
        R_world_segment=R.numpy(),
        positions=joint_positions(R, torch.as_tensor(clip.root).double(), torch.as_tensor(rest)).numpy(),
        angles=np.full((len(R), len(COORDINATES)), np.nan),
        provenance=np.zeros((len(R), len(SEGMENTS)), dtype=int),
        shape=clip.shape.astype(float),
        rest_positions=rest,
    )


def virtual(name: str, motions: Iterable[Motion], cutoff_hz: float | None, faults: ImuFaults) -> Source:
    """Sensors on all 13 sites, with errors of their own in each motion, without the motions' edges."""
    source = Source(name)
    for number, motion in enumerate(motions):
        imus = virtual_imus(motion, np.random.default_rng(number), faults=faults, smooth_hz=cutoff_hz)
        for imu in imus:
            edge = round(EDGE_S * RATE_HZ)
            pair = imu.specific_force[edge:-edge], imu.angular_rate[edge:-edge]
            site = imu.name.removesuffix("_l").removesuffix("_r")
            source.walks.setdefault(site, []).append(pair)
    return source


def walking_clips(clips: list[PreparedClip]) -> list[Motion]:
    """The first clips of each walker that last at least 2.5 s."""
    found = []
    for subject in WALKERS:
        own = [c for c in clips if c.subject == subject and c.activity == "walking" and len(c.root) > 2.5 * c.rate_hz]
        found += [motion_of(clip) for clip in own[:CLIPS_EACH]]
    return found


def quiet_clips(clips: list[PreparedClip], source: str) -> list[Motion]:
    """The stillest two seconds of people of a source, of those `QUIET_PEOPLE` who stand stillest."""
    found = []
    for subject in sorted({clip.subject for clip in clips if clip.subject.startswith(source)}):
        own = [clip for clip in clips if clip.subject == subject and len(clip.root) > 2.5 * clip.rate_hz]
        if own:
            found.append(min(((*quietest(clip), clip) for clip in own), key=lambda moment: moment[0]))
    found.sort(key=lambda moment: moment[0])
    return [motion_of(clip).frames(window) for _, window, clip in found[:QUIET_PEOPLE]]


def quietest(clip: PreparedClip) -> tuple[float, slice]:
    """Return how much rotations and root vary in the stillest two seconds, and which they are."""
    frames = round(2.0 * clip.rate_hz)
    turns = clip.rotations.reshape(len(clip.root), -1) * ROTATION_UNIT
    values = np.concatenate([turns, clip.root], axis=1)
    sums = [np.cumsum(np.vstack([np.zeros_like(v[:1]), v]), axis=0) for v in (values, values**2)]
    mean, square = ((total[frames:] - total[:-frames]) / frames for total in sums)
    varies = (square - mean**2).sum(axis=1)
    best = int(varies.argmin())
    return float(varies[best]), slice(best, best + frames)
