"""Files as Xsens MVN and Theia3D write them, made of known motions by the tools' own definitions of axes."""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kinefuse.body.angles import anatomical_frames
from kinefuse.conventions import SEGMENT_INDEX
from kinefuse.formats.mvnx import MVN_SEGMENTS, STANDARD_ORDER
from kinefuse.formats.theia import THEIA_SEGMENTS
from kinefuse.motion import Motion
from kinefuse.rotations import quaternion_from_matrix

FORWARD, UP, RIGHT = np.eye(3)
"""Axes of our segments."""


def z_up(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) of our world in one whose Z is up, of which x, y, z become our z, x, y."""
    return vectors[..., [2, 0, 1]]


def mvn_orientation(motion: Motion, segment: str) -> np.ndarray:
    """Columns (T, 3, 3): where a segment's forward, left and up point."""
    R = motion.R_world_segment[:, SEGMENT_INDEX[segment]]
    return np.stack([z_up(R @ FORWARD), -z_up(R @ RIGHT), z_up(R @ UP)], axis=-1)


def numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9f}" for value in values.ravel())


def mvnx_text(
    motion: Motion,
    labels: Iterable[str] = STANDARD_ORDER,
    *,
    named: bool = True,
    before: str = "",
    knees: bool = True,
    extra_frames: str = "",
    rate: str = 'frameRate="50"',
    first_index: int = 0,
) -> str:
    """Return an MVNX file; a segment that is not ours has the orientation of the thorax."""
    labels = tuple(labels)
    ours = {label: segment for segment, (label, _) in MVN_SEGMENTS.items()}
    chosen = [ours.get(label, "thorax") for label in labels]
    turns = np.stack([quaternion_from_matrix(mvn_orientation(motion, s)) for s in chosen], axis=1)
    places = np.stack([z_up(motion.positions[:, SEGMENT_INDEX[s]]) for s in chosen], axis=1)
    frames = []
    for t in range(len(motion.time)):
        angles = np.zeros((2, 3))
        angles[:, 2] = np.rad2deg([motion.angle("knee_angle_r")[t], motion.angle("knee_angle_l")[t]])
        told = f"<jointAngle>{numbers(angles)}</jointAngle>" if knees else ""
        frames.append(
            f'<frame time="{1000 * t // 50}" index="{first_index + t}" ms="1" type="normal">'
            f"<orientation>{numbers(turns[t])}</orientation><position>{numbers(places[t])}</position>{told}</frame>"
        )
    unit = " ".join(["1 0 0 0"] * len(labels))
    poses = f'<frame time="0" index="-2" type="identity"><orientation>{unit}</orientation></frame>{extra_frames}'
    segments = "".join(f'<segment label="{label}" id="{i}"/>' for i, label in enumerate(labels, 1)) if named else ""
    joints = '<joints><joint label="jRightKnee"/><joint label="jLeftKnee"/></joints>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<mvnx xmlns="http://www.xsens.com/mvn/mvnx" version="4">'
        f'<mvn version="2021.0"/><subject label="Suit" {rate} segmentCount="{len(labels)}">'
        f"<segments>{segments}</segments>{joints}<frames>{poses}{''.join(frames)}</frames></subject></mvnx>"
    )


def write_mvnx(path: Path, motion: Motion) -> Path:
    path.write_text(mvnx_text(motion), encoding="utf-8")
    return path


def theia_pose(motion: Motion, segment: str) -> np.ndarray:
    """Matrices (T, 4, 4), millimetres: columns are where the anatomical right, forward and up point, and the origin."""
    A = anatomical_frames(motion.R_world_segment)[:, SEGMENT_INDEX[segment]]
    pose = np.tile(np.eye(4), (len(A), 1, 1))
    pose[:, :3, :3] = np.stack([z_up(A @ RIGHT), z_up(A @ FORWARD), z_up(A @ UP)], axis=-1)
    origin = "neck" if segment == "thorax" else segment  # the torso's is the base of the neck
    pose[:, :3, 3] = 1000.0 * z_up(motion.positions[:, SEGMENT_INDEX[origin]])
    return pose


def _parameter(group: int, name: str, kind: int, dims: list[int], data: bytes) -> bytes:
    body = struct.pack("bB", kind, len(dims)) + bytes(dims) + data + b"\0"
    return struct.pack("bb", len(name), group) + name.encode() + struct.pack("<H", len(body) + 2) + body


def _texts(group: int, name: str, texts: list[str]) -> bytes:
    width = max(map(len, texts))
    return _parameter(group, name, -1, [width, len(texts)], b"".join(t.ljust(width).encode() for t in texts))


def _integer(group: int, name: str, value: int) -> bytes:
    return _parameter(group, name, 2, [], struct.pack("<H", value))


def theia_bytes(motion: Motion, unit: str = "mm", segments: Iterable[str] = tuple(THEIA_SEGMENTS)) -> bytes:
    """Return a C3D file without points; its first rotation is the laboratory itself, as Theia3D writes it."""
    names = {segment: f"{THEIA_SEGMENTS[segment][0]}_4X4" for segment in segments}
    poses = [np.tile(np.eye(4), (len(motion.time), 1, 1)), *(theia_pose(motion, segment) for segment in names)]
    cells = np.zeros((len(motion.time), len(poses), 17), dtype="<f4")
    cells[..., :16] = np.swapaxes(np.stack(poses, axis=1), -1, -2).reshape(len(cells), len(poses), 16)
    frames, rate = len(motion.time), round(motion.rate_hz)
    parameters = struct.pack("bb", 5, -1) + b"POINT" + struct.pack("<HB", 3, 0)
    parameters += struct.pack("bb", 8, -2) + b"ROTATION" + struct.pack("<HB", 3, 0)
    parameters += _integer(1, "USED", 0) + _integer(1, "FRAMES", frames) + _integer(1, "DATA_START", 4)
    parameters += _parameter(1, "SCALE", 4, [], struct.pack("<f", -1.0)) + _texts(1, "UNITS", [unit])
    parameters += _parameter(1, "RATE", 4, [], struct.pack("<f", rate)) + _texts(1, "LABELS", [" "])
    parameters += _integer(2, "USED", len(poses)) + _integer(2, "DATA_START", 6) + _integer(2, "RATIO", 1)
    parameters += _parameter(2, "RATE", 4, [], struct.pack("<f", rate)) + _integer(2, "FRAMES", frames)
    parameters += _texts(2, "LABELS", ["worldbody_4X4", *names.values()])
    header = bytes([2, 0x50]) + struct.pack("<5H", 0, 0, 1, frames, 0) + struct.pack("<f", -1.0)
    header += struct.pack("<2H", 6, 0) + struct.pack("<f", rate)
    section = (bytes([0, 0, 4, 84]) + parameters).ljust(4 * 512, b"\0")
    return header.ljust(512, b"\0") + section + cells.tobytes()


def write_theia(path: Path, motion: Motion) -> Path:
    path.write_bytes(theia_bytes(motion))
    return path
