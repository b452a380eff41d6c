"""Camera rigs, and keypoints as a detector would find them: biased, jittering, unsure where the body hides a point.

A detector's error has three parts here. Its idea of where a joint lies is off by a constant place on the body, most of
all at the hips (as Needham et al., *Sci. Rep.* 11:20673, 2021, found for several detectors; 2.5 cm there and 1.2 cm
elsewhere); it jitters, partly from frame to frame, partly over a few frames; and where trunk or limbs hide the point it
guesses, less surely and less well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from kinefuse.body.kinematics import points_on_segments
from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, Keypoints, View
from kinefuse.vision.cameras import project

BIASED_JOINTS: Final = ("hip_l", "hip_r", "mid_hip")

# From, to and radius in metres of the capsules that hide what is behind them, and the keypoints that they never hide.
_CAPSULES: Final = (
    ("root", "neck_base", 0.125, ("hip", "mid_hip", "shoulder", "neck")),
    ("head", "head", 0.09, ("nose", "eye", "ear", "head_top", "neck")),
    *(
        capsule
        for s in "lr"
        for capsule in (
            (f"hip_{s}", f"knee_{s}", 0.07, (f"hip_{s}", f"knee_{s}", "mid_hip")),
            (f"knee_{s}", f"ankle_{s}", 0.05, (f"knee_{s}", f"ankle_{s}", f"heel_{s}")),
            (f"shoulder_{s}", f"elbow_{s}", 0.045, (f"shoulder_{s}", f"elbow_{s}")),
            (f"elbow_{s}", f"wrist_{s}", 0.035, (f"elbow_{s}", f"wrist_{s}")),
        )
    ),
)


@dataclass(frozen=True, kw_only=True)
class DetectorFaults:
    """Size of a detector's errors.

    Attributes
    ----------
    hip_bias_m, bias_m : mean length of the constant error on the body at the hips and elsewhere, metres
    jitter_m : standard deviation of the error in a visible point, per image axis, as a length at the person's distance
    correlated_share : share of the jitter's variance that lasts over some frames
    correlation_s : for how long it lasts
    hidden_factor : by how much the error of a hidden point is larger
    hidden_dropped, dropped : share of hidden and of visible points that are not found at all
    outliers : share of found points that lie somewhere else altogether
    outlier_m : their standard deviation, as a length at the person's distance
    """

    hip_bias_m: float = 0.025
    bias_m: float = 0.012
    jitter_m: float = 0.006
    correlated_share: float = 0.5
    correlation_s: float = 0.08
    hidden_factor: float = 3.0
    hidden_dropped: float = 0.15
    dropped: float = 0.005
    outliers: float = 0.002
    outlier_m: float = 0.4


def camera_ring(
    count: int = 4,
    centre: tuple[float, float, float] = (0.0, 0.95, 0.0),
    radii: tuple[float, float] = (6.0, 5.2),
    seed: int = 0,
    size: tuple[int, int] = (1920, 1080),
) -> tuple[Camera, ...]:
    """Return cameras on an ellipse around a volume, at 1.3 to 2.3 m height, looking at its middle.

    Parameters
    ----------
    count : how many
    centre : middle of the volume, metres, world
    radii : of the ellipse along X and Z, metres
    seed : small differences of place, aim, focal length and lens
    size : width and height of the images, pixels

    Returns
    -------
    Cameras named ``cam_1``, ``cam_2`` ..., with a horizontal field of view of about 80° and mild barrel distortion.

    Raises
    ------
    KinefuseError
        If `count` is less than one.
    """
    if count < 1:
        raise KinefuseError(f"A rig needs at least one camera, got {count}.")
    rng = np.random.default_rng(seed)
    cameras = []
    for index in range(count):
        angle = 2 * np.pi * (index + 0.5) / count + rng.normal(0.0, 0.08)
        height = rng.uniform(1.3, 2.3)
        place = np.array([centre[0] + radii[0] * np.cos(angle), height, centre[2] + radii[1] * np.sin(angle)])
        aim = np.array(centre) + rng.normal(0.0, 0.05, 3)
        cameras.append(_camera(f"cam_{index + 1}", place, aim, size, rng))
    return tuple(cameras)


def _camera(name: str, place: np.ndarray, aim: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Camera:
    focal = 0.6 * size[0] * rng.uniform(0.98, 1.02)
    middle = np.array(size) / 2 - 0.5 + rng.normal(0.0, 8.0, 2)
    matrix = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
    rotation = look_at(place, aim)
    lens = np.array([-0.06, 0.015, 0.0, 0.0]) + rng.normal(0.0, 1.0, 4) * np.array([0.01, 0.004, 3e-4, 3e-4])
    return Camera(
        name=name,
        size=size,
        matrix=matrix,
        distortions=lens,
        R_camera_world=rotation,
        translation=-rotation @ place,
    )


def look_at(place: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """Return R_camera_world (3, 3) of an upright camera at `place` (3,) that looks at `aim` (3,), metres, world."""
    forward = (aim - place) / np.linalg.norm(aim - place)
    right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def keypoint_positions(
    motion: Motion, person: BodyModel, shape: np.ndarray, bias: np.ndarray | None = None
) -> np.ndarray:
    """Return the 26 keypoints over time, (T, 26, 3) metres, world.

    Parameters
    ----------
    motion : of that person
    person, shape : the body, and its shape (S,)
    bias : (26, 3) metres, added in the axes of each keypoint's segment
    """
    points = person.rest_points(KEYPOINTS, shape)
    segments = person.point_segment[person.point_index(KEYPOINTS)]
    points = points if bias is None else points + bias
    arrays = (motion.R_world_segment, motion.positions, motion.rest_positions, points, segments)
    return points_on_segments(*map(torch.as_tensor, arrays)).numpy()


def keypoint_bias(rng: np.random.Generator, faults: DetectorFaults) -> np.ndarray:
    """Return a constant error on the body for each keypoint, (26, 3) metres, normal in each segment axis."""
    bias = np.empty((len(KEYPOINTS), 3))
    for index, name in enumerate(KEYPOINTS):
        mean_length = faults.hip_bias_m if name in BIASED_JOINTS else faults.bias_m
        bias[index] = rng.normal(0.0, mean_length / 1.596, 3)  # a normal vector in space is 1.596 σ long on average
    return bias


def is_hidden(camera_centre: np.ndarray, keypoints: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return (T, 26), true where a capsule of trunk, head or limbs lies on the line of sight.

    Parameters
    ----------
    camera_centre : (3,) metres, world
    keypoints : (T, 26, 3) metres, world
    joints : (T, 22, 3) metres, world
    """
    hidden = np.zeros(keypoints.shape[:2], dtype=bool)
    for start, end, radius, never in _CAPSULES:
        a, b = joints[:, JOINT_INDEX[start]], joints[:, JOINT_INDEX[end]]
        distance = line_distance(camera_centre, keypoints, a[:, None], b[:, None])
        may = np.array([not name.startswith(tuple(never)) for name in KEYPOINTS])
        hidden |= (distance < radius) & may
    return hidden


def line_distance(p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the shortest distance between the straight lines from `p` to `q` and from `a` to `b`.

    All are (..., 3), broadcastable; either line may have no length. After Ericson, *Real-Time Collision Detection*
    (2005), section 5.1.9.
    """
    u, v, w = q - p, b - a, p - a
    uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    tiny = 1e-12
    s = np.clip((uv * vw - vv * uw) / np.maximum(uu * vv - uv * uv, tiny), 0.0, 1.0)
    t = np.clip((uv * s + vw) / np.maximum(vv, tiny), 0.0, 1.0)
    s = np.clip((uv * t - uw) / np.maximum(uu, tiny), 0.0, 1.0)
    return np.linalg.norm(w + s[..., None] * u - t[..., None] * v, axis=-1)


def detect(
    camera: Camera,
    keypoints: np.ndarray,
    joints: np.ndarray,
    rate_hz: float,
    rng: np.random.Generator,
    faults: DetectorFaults,
) -> Keypoints:
    """Return what a detector finds in one camera's images.

    Parameters
    ----------
    camera
    keypoints : (T, 26, 3) metres, world, with the detector's bias
    joints : (T, 22, 3) metres, world, for what hides what
    rate_hz : frame rate
    rng, faults
    """
    pixels = project(camera, keypoints)
    depth = np.linalg.norm(keypoints - camera.centre, axis=-1)
    pixels_per_metre = camera.matrix[0, 0] / depth
    hidden = is_hidden(camera.centre, keypoints, joints)
    size = faults.jitter_m * pixels_per_metre * np.where(hidden, faults.hidden_factor, 1.0)
    error = size[..., None] * _jitter(pixels.shape, rate_hz, rng, faults)
    wild = rng.random(hidden.shape) < faults.outliers
    error += wild[..., None] * rng.normal(size=pixels.shape) * (faults.outlier_m * pixels_per_metre)[..., None]
    sure = np.where(hidden, rng.uniform(0.2, 0.6, hidden.shape), rng.uniform(0.7, 0.97, hidden.shape))
    sure = np.where(wild, sure * rng.uniform(0.5, 1.0, hidden.shape), sure)
    found = rng.random(hidden.shape) > np.where(hidden, faults.hidden_dropped, faults.dropped)
    measured = pixels + error
    found &= (
        np.isfinite(measured).all(-1) & (measured > -0.5).all(-1) & (measured < np.array(camera.size) - 0.5).all(-1)
    )
    return Keypoints(
        names=KEYPOINTS,
        pixels=np.where(found[..., None], measured, np.nan)[:, None],
        confidence=np.where(found, sure, 0.0)[:, None],
    )


def _jitter(shape: tuple[int, ...], rate_hz: float, rng: np.random.Generator, faults: DetectorFaults) -> np.ndarray:
    """Noise of unit variance over time (first axis): white noise, and noise that lasts for `correlation_s`."""
    from scipy.signal import lfilter

    white, drive = rng.normal(size=shape), rng.normal(size=shape)
    keep = np.exp(-1.0 / (rate_hz * faults.correlation_s))
    gain = np.sqrt(1.0 - keep * keep)
    drive[0] /= gain  # so that it has unit variance from the start
    lasting = lfilter([gain], [1.0, -keep], drive, axis=0)
    return np.sqrt(1.0 - faults.correlated_share) * white + np.sqrt(faults.correlated_share) * lasting


def film(
    motion: Motion,
    person: BodyModel,
    shape: np.ndarray,
    cameras: Sequence[Camera],
    rng: np.random.Generator,
    rate_hz: float = 60.0,
    starts_s: Sequence[float] | None = None,
    faults: DetectorFaults | None = None,
) -> tuple[View, ...]:
    """Return the views of a motion: keypoints as a detector finds them, one person.

    Parameters
    ----------
    motion : without gaps
    person, shape : the body, and its shape (S,)
    cameras
    rng : every number drawn comes from here, in a fixed order
    rate_hz : frame rate of all cameras
    starts_s : time of each camera's first frame on the motion's clock, seconds; None starts all with the motion
    faults : None takes the defaults of `DetectorFaults`

    Raises
    ------
    KinefuseError
        If the number of starts is not that of the cameras, or the motion has gaps.
    """
    from scipy.interpolate import CubicSpline

    faults = faults or DetectorFaults()
    starts = [float(motion.time[0])] * len(cameras) if starts_s is None else list(starts_s)
    if len(starts) != len(cameras):
        raise KinefuseError(f"Expected one start for each of the {len(cameras)} cameras, got {len(starts)}.")
    points = keypoint_positions(motion, person, shape, keypoint_bias(rng, faults))
    everything = np.concatenate([points, motion.positions], axis=1)
    if not np.isfinite(everything).all():
        raise KinefuseError("A motion with gaps cannot be filmed; cut it to the frames in which all joints are known.")
    curve = CubicSpline(motion.time, everything)
    views = []
    for camera, start in zip(cameras, starts, strict=True):
        times = np.arange(start, motion.time[-1] + 1e-9, 1.0 / rate_hz)
        now = curve(times)
        found = detect(camera, now[:, : len(KEYPOINTS)], now[:, len(KEYPOINTS) :], rate_hz, rng, faults)
        views.append(View(camera=camera.name, rate_hz=rate_hz, start_s=start, keypoints=found))
    return tuple(views)
