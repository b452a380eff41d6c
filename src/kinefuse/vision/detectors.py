"""Detectors of 2-D keypoints, behind one small interface.

``mediapipe`` is embedded: its wheel holds the models (BlazePose "full"; Bazarevsky et al. 2020, "BlazePose: On-device
Real-time Body Pose tracking"), so it works offline. It sees one person an image and follows that person from frame to
frame. ``rtmlib`` (RTMPose; Jiang et al. 2023) is optional; it sees every person, and loads its own weights.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata, util
from typing import ClassVar, Final, Protocol

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError, MissingDependencyError, check_known
from kinefuse.formats.keypoint_layouts import HALPE_26, MEDIAPIPE_33, to_keypoints

MATTE_THRESHOLD: Final = 0.5


@dataclass(frozen=True)
class ImageDetection:
    """What a detector sees in one image.

    Attributes
    ----------
    pixels : (P, 26, 2) in the order of `conventions.KEYPOINTS`, pixels of the image given; NaN where not seen
    confidence : (P, 26) in 0..1, 0 where not seen
    matte : (H, W) bool, the person, or None
    """

    pixels: np.ndarray
    confidence: np.ndarray
    matte: np.ndarray | None = None


class Detector(Protocol):
    """One object a video: it may follow people from frame to frame."""

    package: ClassVar[str]
    gives_mattes: ClassVar[bool]

    def __init__(self, mattes: bool = False) -> None: ...

    def detect(self, image: np.ndarray) -> ImageDetection:
        """Find people in an image (H, W, 3), uint8 RGB."""

    def close(self) -> None:
        """Free what the detector holds."""


class MediapipeDetector:
    """BlazePose "full", one person an image, tracked; landmarks are not smoothed, so that none lags."""

    package: ClassVar[str] = "mediapipe"
    gives_mattes: ClassVar[bool] = True

    def __init__(self, mattes: bool = False) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            from mediapipe.python.solutions import pose
        except ImportError as error:
            raise MissingDependencyError(
                'Detecting people in videos needs mediapipe: pip install "kinefuse[video]".'
            ) from error
        # The graph starts in threads of its own, which print to stderr past any logging until the first image is done.
        self._quiet = ExitStack()
        self._quiet.enter_context(quiet_stderr())
        self._pose = pose.Pose(
            model_complexity=1,  # the only one whose weights are in the wheel
            smooth_landmarks=False,
            enable_segmentation=mattes,
            smooth_segmentation=False,
        )

    def detect(self, image: np.ndarray) -> ImageDetection:
        """Find the person in an image (H, W, 3), uint8 RGB."""
        result = self._pose.process(image)
        self._quiet.close()
        height, width = image.shape[:2]
        if result.pose_landmarks is None:
            return nobody()
        landmarks = np.array([(p.x * width, p.y * height, p.visibility) for p in result.pose_landmarks.landmark])
        landmarks[:, :2] -= 0.5  # mediapipe counts from the image's corner
        matte = None
        if result.segmentation_mask is not None:
            matte = result.segmentation_mask > MATTE_THRESHOLD
        return from_landmarks(landmarks[None], MEDIAPIPE_33, (width, height), matte)

    def close(self) -> None:
        """Free the graph."""
        self._quiet.close()
        with suppress(ValueError):  # raised if it is closed already
            self._pose.close()


class RtmlibDetector:
    """RTMPose with feet (HALPE-26), everybody in the image. rtmlib fetches its weights when it lacks them."""

    package: ClassVar[str] = "rtmlib"
    gives_mattes: ClassVar[bool] = False

    def __init__(self, mattes: bool = False) -> None:
        if mattes:
            raise KinefuseError("rtmlib gives no person mattes; use --detector mediapipe, or give silhouettes.")
        try:
            from rtmlib import BodyWithFeet
        except ImportError as error:
            raise MissingDependencyError(
                "The detector rtmlib is not installed: pip install rtmlib onnxruntime, or use --detector mediapipe."
            ) from error
        self._model = BodyWithFeet(mode="balanced", backend="onnxruntime", device="cpu")

    def detect(self, image: np.ndarray) -> ImageDetection:
        """Find everybody in an image (H, W, 3), uint8 RGB."""
        height, width = image.shape[:2]
        keypoints, scores = self._model(np.ascontiguousarray(image[..., ::-1]))
        points = np.asarray(keypoints, dtype=float).reshape(-1, len(HALPE_26), 2)
        scores = np.asarray(scores, dtype=float).reshape(-1, len(HALPE_26), 1)
        return from_landmarks(np.concatenate([points, scores], axis=2), HALPE_26, (width, height), None)

    def close(self) -> None:
        """Nothing to free."""


DETECTORS: Final[dict[str, type[Detector]]] = {"mediapipe": MediapipeDetector, "rtmlib": RtmlibDetector}
"""Name, as given to ``--detector``, to class."""


def choose_detector(name: str = "auto") -> str:
    """Return the name of a detector in `DETECTORS`.

    ``"auto"`` takes mediapipe, which runs offline; rtmlib downloads, and nothing is downloaded without being asked for.

    Raises
    ------
    KinefuseError
        If no detector has this name.
    MissingDependencyError
        If it is ``"auto"`` and mediapipe is not installed.
    """
    if name != "auto":
        check_known("detector", name, ("auto", *DETECTORS))
        return name
    if util.find_spec(MediapipeDetector.package) is None:
        raise MissingDependencyError(
            'Detecting people in videos needs mediapipe: pip install "kinefuse[video]". Or say --detector rtmlib, '
            "which downloads its weights once."
        )
    return "mediapipe"


def detector_version(name: str) -> str:
    """Return the version of the package behind a detector, ``"unknown"`` where it has none."""
    try:
        return metadata.version(DETECTORS[name].package)
    except metadata.PackageNotFoundError:
        return "unknown"


def nobody() -> ImageDetection:
    """Return the detection of an empty image: one row, nothing seen."""
    return ImageDetection(np.full((1, len(KEYPOINTS), 2), np.nan), np.zeros((1, len(KEYPOINTS))))


def from_landmarks(
    landmarks: np.ndarray, layout: tuple[str | None, ...], size: tuple[int, int], matte: np.ndarray | None
) -> ImageDetection:
    """Bring a detector's points into this library's order; what lies outside of the image was not seen.

    Parameters
    ----------
    landmarks : (P, N, 3) x, y in pixels, confidence
    layout
    size : (width, height) of the image
    matte
    """
    if len(landmarks) == 0:
        return nobody()
    points = to_keypoints(landmarks, layout)
    x, y, confidence = points[..., 0], points[..., 1], np.clip(points[..., 2], 0.0, 1.0)
    inside = (x >= -0.5) & (y >= -0.5) & (x <= size[0] - 0.5) & (y <= size[1] - 0.5) & (confidence > 0)
    pixels = np.where(inside[..., None], points[..., :2], np.nan)
    return ImageDetection(pixels, np.where(inside, confidence, 0.0), matte)


_quiet_lock = threading.Lock()
_quiet: dict[str, int] = {"users": 0, "saved": -1}


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what C++ code prints to stderr to nowhere, for a moment. Safe to use from several threads."""
    with _quiet_lock:
        if _quiet["users"] == 0:
            _quiet["saved"] = os.dup(2)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        _quiet["users"] += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet["users"] -= 1
            if _quiet["users"] == 0:
                os.dup2(_quiet["saved"], 2)
                os.close(_quiet["saved"])
