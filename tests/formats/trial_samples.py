"""Small recordings with known values, and damaged files, for the tests of the trial's formats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Imu, Keypoints
from kinefuse.rotations import matrix_from_rotvec

Result = TypeVar("Result")


def camera(name: str = "cam_1", seed: int = 0, size: tuple[int, int] = (1088, 1920)) -> Camera:
    """A camera two to four metres from the origin, in any direction."""
    rng = np.random.default_rng(seed)
    return Camera(
        name=name,
        size=size,
        matrix=np.array([[1500.0, 0.0, size[0] / 2], [0.0, 1502.5, size[1] / 2], [0.0, 0.0, 1.0]]),
        distortions=rng.normal(0.0, 0.01, 5),
        R_camera_world=matrix_from_rotvec(rng.normal(size=3)),
        translation=np.array([0.1, -0.2, rng.uniform(2.0, 4.0)]),
    )


def keypoints(frames: int = 5, people: int = 1, seed: int = 0, missing: float = 0.3) -> Keypoints:
    """Points all over a portrait image, with four decimals, some of them not seen; the last frame is complete."""
    rng = np.random.default_rng(seed)
    shape = (frames, people, len(KEYPOINTS))
    seen = rng.random(shape) >= missing
    seen[-1] = True
    pixels = rng.uniform(0.0, 1080.0, (*shape, 2)).round(4)
    confidence = rng.uniform(0.1, 1.0, shape).round(4)
    return Keypoints(
        names=KEYPOINTS,
        pixels=np.where(seen[..., None], pixels, np.nan),
        confidence=np.where(seen, confidence, 0.0),
    )


def imu(name: str = "thigh_r", frames: int = 20, seed: int = 0, start_s: float | None = 0.0) -> Imu:
    """A sensor with every part, some values missing."""
    rng = np.random.default_rng(seed)
    specific_force = rng.normal(0.0, 9.81, (frames, 3))
    specific_force[3, 1] = np.nan
    orientation = matrix_from_rotvec(rng.normal(size=(frames, 3)))
    orientation[5] = np.nan
    return Imu(
        name=name,
        segment="thigh_r",
        time=np.delete(np.arange(frames + 1) / 100.0, 7) + (start_s or 12.0),
        specific_force=specific_force,
        angular_rate=rng.normal(size=(frames, 3)),
        magnetic_field=rng.normal(0.0, 40.0, (frames, 3)),
        R_ref_sensor=orientation,
        R_segment_sensor=matrix_from_rotvec(np.array([0.1, 0.2, 0.3])),
        R_world_ref=matrix_from_rotvec(np.array([-np.pi / 2, 0.0, 0.0])),
        start_is_known=start_s is not None,
    )


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """A valid file with one piece replaced by something else, or anything at all."""
    odd = st.sampled_from(
        [b"", b"nan", b"-inf", b"1e999", b"-1", b"99999999999999999999", b"[", b"]]", b'"', b"{}", b"\n", b",", b"\xff"]
    )
    place = st.tuples(st.integers(0, len(valid)), st.integers(0, 40), odd | st.binary(max_size=12))
    return place.map(lambda p: valid[: p[0]] + p[2] + valid[p[0] + p[1] :]) | st.binary(max_size=200)


def read_or_refuse(read: Callable[[Path], Result], path: Path, content: bytes) -> Result | None:
    """Return what is read of a damaged file, None if it is refused in a sentence that says where.

    Any other exception passes on and fails the test.
    """
    path.write_bytes(content)
    try:
        found = read(path)
    except KinefuseError as refusal:
        if path.name not in str(refusal) and path.parent.name not in str(refusal):
            raise AssertionError("a refusal must say which file it is of") from refusal
        return None
    assert found is not None
    return found


def all_usable(cameras: Sequence[Camera]) -> bool:
    """Whether cameras can be told apart and can film; that their numbers are numbers, `Camera` sees to."""
    names = [one.name for one in cameras]
    films = [min(one.size) > 0 and one.matrix[0, 0] > 0 and one.matrix[1, 1] > 0 for one in cameras]
    return bool(names) and len(set(names)) == len(names) and all(films)


def all_points_usable(points: Keypoints) -> bool:
    """Whether what counts as seen has a place, and confidences are shares."""
    seen = points.confidence > 0
    shares = (points.confidence >= 0).all() and (points.confidence <= 1).all()
    return bool(shares and np.isfinite(points.pixels[seen]).all() and not np.isinf(points.pixels).any())
