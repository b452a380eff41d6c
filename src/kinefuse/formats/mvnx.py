"""MVNX: what Xsens MVN makes of its suit, as XML; read as a motion, to compare with.

The elements follow the *MVN User Manual* (Xsens, document MV0319P.N, 2015, section 14.4): frames hold, for each
segment, a quaternion (scalar first) that turns body into global coordinates, and the place of its origin, which is the
joint at its proximal end, in metres; the global frame has Z up. Frames of another ``type`` than ``normal`` are
calibration poses.

That the quaternion is the unit one in the T-pose, palms down, facing global X, so that body frames there are X forward,
Y left, Z up, is how the files' frame of type ``identity`` and published readers take it; the manual's own words on axes
(section 19.7: X forward, Y up, Z right) describe those of the joint angles. No file of the tool was at hand to test
this. So two checks are made on each file: a pose of type ``tpose`` must show all segments alike, and the flexion of the
knees must be that of the ``jointAngle`` which the file holds, if it does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn
from xml.parsers import expat

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.segments import motion_of_segments
from kinefuse.formats.table_text import located
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, is_unit_quaternion, matrix_from_quaternion

_SIDES: Final = {"r": "Right", "l": "Left"}
_LIMBS: Final = {
    "thigh": ("UpperLeg", "hip"),
    "shank": ("LowerLeg", "knee"),
    "foot": ("Foot", "ankle"),
    "toes": ("Toe", "mtp"),
    "clavicle": ("Shoulder", "sternoclavicular"),
    "upper_arm": ("UpperArm", "shoulder"),
    "forearm": ("ForeArm", "elbow"),
    "hand": ("Hand", "wrist"),
}
MVN_SEGMENTS: Final = {
    "pelvis": ("Pelvis", "root"),
    "lumbar": ("L5", "lumbar"),
    "abdomen": ("L3", "spine"),
    "thorax": ("T8", "chest"),
    "neck": ("Neck", "neck_base"),
    "head": ("Head", "head"),
    **{
        f"{ours}_{s}": (f"{word}{theirs}", f"{j}_{s}")
        for s, word in _SIDES.items()
        for ours, (theirs, j) in _LIMBS.items()
    },
}
"""Our segment to the label in the file and the joint at its origin. MVN's T12 has no segment of ours."""

_INFERRED: Final = ("lumbar", "abdomen", "neck", "toes_l", "toes_r")
"""Carry no sensor in any suit: MVN interpolates them."""

STANDARD_ORDER: Final = (
    *("Pelvis", "L5", "L3", "T12", "T8", "Neck", "Head"),
    *(f"{side}{part}" for side in ("Right", "Left") for part in ("Shoulder", "UpperArm", "ForeArm", "Hand")),
    *(f"{side}{part}" for side in ("Right", "Left") for part in ("UpperLeg", "LowerLeg", "Foot", "Toe")),
)
"""Of the 23 segments of a whole body; a file may leave the labels out."""

_BODY: Final = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From X forward, Y left, Z up to X forward, Y up, Z right."""

_WORLD: Final = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
"""From Z up to Y up, as for every Z-up world: (x, y, z) to (y, z, x)."""

_NUMBERS: Final = {"orientation", "position", "jointAngle"}
_MOST_TEXT: Final = 1_000_000
"""Characters of one element; a frame's numbers are a few thousand."""

ASKEW: Final = np.deg2rad(45.0)
"""Segments this far apart in a calibration T-pose tell that the body frames are not those of a T-pose."""

KNEE_APART: Final = np.deg2rad(15.0)


@dataclass
class _Frame:
    """One element ``frame``: its attributes, and its numbers by the element's name."""

    kind: str
    index: str | None
    time: str | None
    numbers: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class _Content:
    """What is gathered while the file streams by."""

    subjects: int = 0
    rate: str | None = None
    labels: list[str] = field(default_factory=list)
    joints: list[str] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)


def read_mvnx(path: Path) -> Motion:
    """Return the motion in an MVNX file.

    Returns
    -------
    Motion
        World Y up, by (x, y, z) to (y, z, x); its heading and place are the suit's own. Joint angles are computed from
        the segments' orientations, as for every other motion, and not taken from the file. Time is 0 at the first frame
        unless the file gives that frame another; a frame whose index is missing is missing here.

    Raises
    ------
    FormatError
        If it is no MVNX file, is damaged or cut, declares XML entities, holds several people, or one of the checks at
        the top of this module fails.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    content = _parse(path)
    normal = [frame for frame in content.frames if frame.kind == "normal"]
    if not normal:
        raise FormatError(
            f"{path}: expected frames of type 'normal', as MVNX files have; it holds none, export it again."
        )
    labels = _segment_labels(content, normal[0], path)
    R = _rotations(normal, labels, path)
    positions = _stack(normal, "position", 3, len(labels), path)
    _check_tpose(content.frames, labels, path)
    chosen = {ours: labels.index(label) for ours, (label, _) in MVN_SEGMENTS.items() if label in labels}
    with located(path):
        motion = motion_of_segments(
            _time(normal, content.rate, path),
            {ours: _WORLD @ R[:, i] @ _BODY.T for ours, i in chosen.items()},
            {MVN_SEGMENTS[ours][1]: positions[:, i] @ _WORLD.T for ours, i in chosen.items()},
            "Xsens MVN",
            _INFERRED,
        )
    _check_knees(motion, normal, content.joints, path)
    return motion


def _parse(path: Path) -> _Content:
    gatherer = _Gatherer(path)
    try:
        with path.open("rb") as file:
            gatherer.parser.ParseFile(file)
    except expat.ExpatError as error:
        raise FormatError(f"{path}: is not whole XML ({error}); export it again.") from error
    except (OSError, ValueError, LookupError) as error:
        raise KinefuseError(f"{path}: the file cannot be read ({error}); check its name and permissions.") from error
    return gatherer.content


class _Gatherer:
    """Takes elements from the parser as they come, and keeps of a frame only the numbers that are asked for.

    Entities are refused, since they can grow without end or name other files; a reference to a DTD, which older
    versions of MVN write, is never followed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, _Content()
        self.text: list[str] | None = None
        self.length = 0
        self.frame: _Frame | None = None
        self.root = ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self.entity

    def entity(self, *_: object) -> NoReturn:
        raise FormatError(f"{self.path}: declares XML entities, which no MVNX file needs; export it again.")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take the beginning of an element, as expat reports it."""
        name = tag.rpartition(" ")[2]
        if not self.root:
            self.root = name
            if name not in {"mvnx", "frames"}:
                raise FormatError(f"{self.path}: expected an MVNX file, got XML of {name!r}; check the file.")
        if name == "subject":
            self._subject(attributes)
        elif name == "segment":
            self.content.labels.append(attributes.get("label", ""))
        elif name == "joint":
            self.content.joints.append(attributes.get("label", ""))
        elif name == "frame":
            self.frame = _Frame(attributes.get("type", "normal"), attributes.get("index"), attributes.get("time"))
        elif name in _NUMBERS and self.frame is not None:
            self.text, self.length = [], 0

    def _subject(self, attributes: dict[str, str]) -> None:
        self.content.subjects += 1
        if self.content.subjects > 1:
            raise FormatError(f"{self.path}: holds several people; export each to a file of its own.")
        self.content.rate = attributes.get("frameRate")

    def characters(self, text: str) -> None:
        """Keep the text of an element of numbers; raise a `FormatError` if there is more than a body can have."""
        if self.text is not None:
            self.length += len(text)
            if self.length > _MOST_TEXT:
                raise FormatError(
                    f"{self.path}: a frame holds more numbers than any body has segments; export it again."
                )
            self.text.append(text)

    def end(self, tag: str) -> None:
        """Take the end of an element: numbers go to their frame, a frame to the content."""
        name = tag.rpartition(" ")[2]
        if name == "frame" and self.frame is not None:
            self.content.frames.append(self.frame)
            self.frame = None
        elif name in _NUMBERS and self.frame is not None and self.text is not None:
            self.frame.numbers[name] = self._to_numbers("".join(self.text), name)
            self.text = None

    def _to_numbers(self, text: str, name: str) -> np.ndarray:
        try:
            return np.fromiter(map(float, text.split()), dtype=float)
        except ValueError as error:
            line = self.parser.CurrentLineNumber
            raise FormatError(
                f"{self.path}, line {line}: {name} must hold numbers ({error}); export it again."
            ) from error


def _segment_labels(content: _Content, frame: _Frame, path: Path) -> list[str]:
    """Return the label of each segment, in the order of a frame's numbers."""
    count = len(frame.numbers.get("orientation", ())) // 4
    labels = content.labels or (list(STANDARD_ORDER) if count == len(STANDARD_ORDER) else [])
    if not labels:
        raise FormatError(
            f"{path}: does not name its {count} segments, which only a whole body of {len(STANDARD_ORDER)} needs not; "
            "export it with its segments."
        )
    if "Pelvis" not in labels or len(set(labels)) != len(labels):
        raise FormatError(
            f"{path}: expected segments with labels of their own and a 'Pelvis' among them; export it again."
        )
    return labels


def _stack(frames: Iterable[_Frame], name: str, width: int, segments: int, path: Path) -> np.ndarray:
    """Return one element of all frames, (T, segments, width); what is not finite is NaN."""
    rows = [frame.numbers.get(name, np.zeros(0)) for frame in frames]
    for number, row in enumerate(rows, 1):
        if len(row) != width * segments:
            raise FormatError(
                f"{path}: frame {number} holds {len(row)} numbers as {name}, expected {width} for each of {segments} "
                "segments; export it with orientation and position."
            )
    values = np.stack(rows).reshape(-1, segments, width)
    return np.where(np.isfinite(values) & (np.abs(values) < 1e6), values, np.nan)


def _rotations(frames: list[_Frame], labels: list[str], path: Path) -> np.ndarray:
    """Return the orientations of all frames, (T, segments, 3, 3); NaN where they are missing."""
    quaternions = _stack(frames, "orientation", 4, len(labels), path)
    lengths = np.linalg.norm(quaternions, axis=-1)
    off = np.isfinite(lengths) & ~is_unit_quaternion(quaternions)
    if off.any():
        frame, segment = np.argwhere(off)[0]
        raise FormatError(
            f"{path}: frame {frame + 1}: the quaternion of {labels[segment]} has the length "
            f"{lengths[frame, segment]:.3g} instead of one; export it from MVN again, unchanged."
        )
    return matrix_from_quaternion(quaternions)


def _time(frames: list[_Frame], rate: str | None, path: Path) -> np.ndarray:
    """Return (T,) seconds: by the frames' indices and the rate; else by their milliseconds, which are rounded."""
    stamps = _attributes([frame.time for frame in frames])
    indices, rate_hz = _attributes([frame.index for frame in frames]), _attributes([rate])
    start = stamps[0] / 1000.0 if np.isfinite(stamps[0]) else 0.0
    if np.isfinite(indices).all() and np.isfinite(rate_hz[0]) and 0.1 < rate_hz[0] < 1e5:
        time = start + (indices - indices[0]) / rate_hz[0]
    else:
        time = stamps / 1000.0
    if not np.isfinite(time).all() or not (np.diff(time) > 0).all():
        raise FormatError(
            f"{path}: its frames need an increasing index and a frame rate, or an increasing time; export it again."
        )
    return time


def _attributes(texts: list[str | None]) -> np.ndarray:
    """Return attributes as numbers, NaN for those that are none."""
    out = np.full(len(texts), np.nan)
    for number, text in enumerate(texts):
        try:
            out[number] = float(text or "nan")
        except ValueError:
            continue
    return np.where(np.abs(out) < 1e12, out, np.nan)


def _check_tpose(frames: list[_Frame], labels: list[str], path: Path) -> None:
    """Refuse a file whose own T-pose does not have all segments alike."""
    poses = [frame for frame in frames if frame.kind in {"identity", "tpose"} and "orientation" in frame.numbers]
    for pose in poses:
        R = _rotations([pose], labels, path)[0]
        apart = geodesic_angle(R[labels.index("Pelvis")], R)
        worst = int(np.nanargmax(apart)) if np.isfinite(apart).any() else 0
        if apart[worst] > ASKEW:
            raise FormatError(
                f"{path}: in its frame of type {pose.kind!r}, {labels[worst]} and the pelvis are "
                f"{np.rad2deg(apart[worst]):.0f}° apart, but in the T-pose all segments have the same axes; export it "
                "from MVN again, unchanged."
            )


def _check_knees(motion: Motion, frames: list[_Frame], joints: list[str], path: Path) -> None:
    """Refuse a file whose own flexion of a knee is another than its orientations tell."""
    for side, word in _SIDES.items():
        name = f"j{word}Knee"
        rows = [frame.numbers.get("jointAngle", np.zeros(0)) for frame in frames]
        if name not in joints or any(len(row) != 3 * len(joints) for row in rows):
            continue
        theirs = np.deg2rad(np.stack(rows)[:, 3 * joints.index(name) + 2])
        apart = np.abs(theirs - motion.angle(f"knee_angle_{side}"))
        if np.isfinite(apart).any() and np.nanmedian(apart) > KNEE_APART:
            raise FormatError(
                f"{path}: its {name} and the flexion that its orientations tell are "
                f"{np.rad2deg(np.nanmedian(apart)):.0f}° apart on median, so its axes are not those known here; export "
                "it from MVN again, unchanged."
            )
