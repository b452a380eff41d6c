"""C3D: marker and joint centre trajectories, the exchange format of optical motion capture.

C3D leaves the laboratory's axes to the laboratory. `read_c3d_points` turns them into ours (Y up) by this rule:
``POINT:Y_SCREEN``, the axis that points up on a screen, tells the vertical where the file has it; else Z is up, as in
nearly all optical laboratories. The other axes follow in cyclic order: Z-up (x, y, z) becomes (y, z, x), X-up
(z, x, y).
"""

from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.c3d_parameters import BLOCK, Header, Numbers, Parameters, broken, read_structure
from kinefuse.formats.point_names import canonical_point_names
from kinefuse.formats.skeleton import is_even
from kinefuse.formats.table_text import check_names, located, read_bytes, write_atomically
from kinefuse.formats.trc import METRES_PER_UNIT, check_unit
from kinefuse.recordings import JointCenters

CYCLES: Final = {"y": (0, 1, 2), "z": (1, 2, 0), "x": (2, 0, 1)}
"""Which of the file's axes become our x, y, z, by the axis that is up."""


def read_c3d_points(path: Path, up: str = "auto", canonical: bool = True) -> JointCenters:
    """Read the 3-D points of a C3D file.

    Parameters
    ----------
    path
    up
        The file's vertical axis, ``"y"``, ``"z"`` or ``"x"``; ``"auto"`` follows the rule at the top of this module.
    canonical
        Replace known spellings by those of `conventions.KEYPOINTS`.

    Returns
    -------
    JointCenters
        metres, world (Y up); NaN where a point's residual is negative, which is C3D's mark for a missing one. Time is
        0 at frame 1 of the capture, of which the file may hold a later part.

    Raises
    ------
    FormatError
        If the file is damaged or cut, has no points, or its unit is unknown or contradicts the values.
    KinefuseError
        If the file cannot be opened or `up` is unknown.
    """
    path = Path(path)
    if up not in {"auto", "x", "y", "z"}:
        raise KinefuseError(f"{path}: up must be 'auto', 'x', 'y' or 'z', got {up!r}.")
    content = read_bytes(path)
    header, parameters, numbers = read_structure(content, path)
    names = _point_names(header, parameters, path)
    rate, frames = point_rate(header, parameters, path), _frame_count(content, header, parameters, path)
    positions = _read_points(content, header, frames, numbers, path)
    unit = (texts(parameters, "POINT:UNITS") or [""])[0]
    if unit.lower() not in METRES_PER_UNIT:
        raise FormatError(f"{path}: POINT:UNITS must be mm, cm, m or in, got {unit!r}; correct it when exporting.")
    axes = CYCLES[up if up != "auto" else vertical_axis(parameters, path)]
    positions = positions[..., axes] * METRES_PER_UNIT[unit.lower()]
    check_unit(positions, unit, path)
    with located(path):
        return JointCenters(
            names=canonical_point_names(names) if canonical else names,
            time=start_time(header, parameters, rate) + np.arange(frames) / rate,
            positions=positions,
        )


def texts(parameters: Parameters, name: str) -> list[str]:
    """Return the texts of a parameter, none if it is missing or holds numbers."""
    value = parameters.get(name, [])
    return value if isinstance(value, list) else []


def number(parameters: Parameters, name: str) -> float | None:
    """Return the first number of a parameter, None if it is missing or not finite."""
    value = parameters.get(name)
    return float(value[0]) if isinstance(value, np.ndarray) and len(value) and np.isfinite(value[0]) else None


def point_rate(header: Header, parameters: Parameters, path: Path) -> float:
    """Return the rate of the frames, hertz."""
    rate = number(parameters, "POINT:RATE") or header.rate_hz
    if not (np.isfinite(rate) and 0.01 < rate < 1e6):
        raise broken(path, f"its frame rate is {rate:g} Hz")
    return float(rate)


def _frame_field(parameters: Parameters, name: str) -> int | None:
    """Return a frame number that is kept as two 16-bit halves, low one first."""
    value = parameters.get(name)
    if not isinstance(value, np.ndarray) or len(value) != 2 or not np.isfinite(value).all():
        return None
    return int(value[0]) % 65536 + 65536 * (int(value[1]) % 65536)


def _frame_counts(header: Header, parameters: Parameters) -> set[int]:
    """Return every number of frames that the file states; 16-bit fields that are full state nothing."""
    counts = set()
    first = _frame_field(parameters, "TRIAL:ACTUAL_START_FIELD")
    last = _frame_field(parameters, "TRIAL:ACTUAL_END_FIELD")
    if first is not None and last is not None:
        counts.add(last - first + 1)
    counts.add(int(number(parameters, "POINT:LONG_FRAMES") or 0))
    frames = int(number(parameters, "POINT:FRAMES") or 0)
    counts.add(frames % 65536 if frames != -1 else 0)
    if header.last_frame < 65535:
        counts.add(header.last_frame - header.first_frame + 1)
    return {count for count in counts if count > 0 and count != 65535}


def _frame_count(content: bytes, header: Header, parameters: Parameters, path: Path) -> int:
    """Return the number of frames, which must agree with the size of the file where the file has a word on it twice."""
    counts = _frame_counts(header, parameters) or {65535}
    fitting = [count for count in counts if _fits(content, _data_end(header, count), header, parameters)]
    if len(fitting) == 1:
        return fitting[0]
    stated = " or ".join(str(count) for count in sorted(counts))
    raise FormatError(
        f"{path}: its header promises {stated} frames of {header.points} points, which disagrees with the size of the "
        "file; it is cut or was edited, so export or copy it again."
    )


def _fits(content: bytes, end: int, header: Header, parameters: Parameters) -> bool:
    """Return whether the data can end at byte `end`: nothing but padding may follow, save for known later sections."""
    rest = len(content) - end
    more_sections = bool(number(parameters, "ROTATION:USED")) or content[0] >= header.data_start
    return rest >= 0 and (rest < 2 * BLOCK or more_sections or not any(content[end:]))


def _number_bytes(header: Header) -> int:
    return 4 if header.scale < 0 else 2


def _data_end(header: Header, frames: int) -> int:
    row = (header.points * 4 + header.analogs) * _number_bytes(header)
    return (header.data_start - 1) * BLOCK + frames * row


def start_time(header: Header, parameters: Parameters, rate: float) -> float:
    """Return the time of the first frame, seconds: our own note, else counted from frame 1 of the capture."""
    noted = number(parameters, "KINEFUSE:START_S")
    if noted is not None:
        return noted
    first = _frame_field(parameters, "TRIAL:ACTUAL_START_FIELD") or header.first_frame
    return max(first - 1, 0) / rate


def _point_names(header: Header, parameters: Parameters, path: Path) -> tuple[str, ...]:
    used = number(parameters, "POINT:USED")
    if used is not None and int(used) % 65536 != header.points:
        raise broken(path, f"its header states {header.points} points, POINT:USED {used:g}")
    if not header.points:
        raise FormatError(f"{path}: the C3D file holds no 3-D points; export the markers with it.")
    labels = list(texts(parameters, "POINT:LABELS"))
    more = 2
    while f"POINT:LABELS{more}" in parameters:  # the format allows 255 labels in one parameter
        labels += texts(parameters, f"POINT:LABELS{more}")
        more += 1
    return tuple((labels[i] if i < len(labels) else "") or f"point_{i + 1}" for i in range(header.points))


def vertical_axis(parameters: Parameters, path: Path) -> str:
    """Return which axis is up, by the rule at the top of this module: ``"x"``, ``"y"`` or ``"z"``."""
    screen = (texts(parameters, "POINT:Y_SCREEN") or [""])[0].upper()
    if not screen:
        return "z"
    if screen.lstrip("+") not in {"X", "Y", "Z"}:
        raise FormatError(f"{path}: POINT:Y_SCREEN says {screen!r} is up, which has no rule; say which axis is up.")
    return screen.lstrip("+").lower()


def _read_points(content: bytes, header: Header, frames: int, numbers: Numbers, path: Path) -> np.ndarray:
    """Return the points (T, K, 3) in the file's unit and axes, NaN where the residual is negative."""
    real = header.scale < 0
    start, end = _data_end(header, 0), _data_end(header, frames)
    if start < BLOCK:
        raise broken(path, "its data would start within its header")
    if not np.isfinite(header.scale) or header.scale == 0:
        raise broken(path, f"its scale is {header.scale}")
    raw = content[start:end]
    table = (numbers.reals(raw) if real else numbers.integers(raw)).reshape(frames, -1)
    cells = table[:, : header.points * 4].reshape(frames, header.points, 4)
    positions = cells[..., :3].astype(float) * (1.0 if real else header.scale)
    positions[(cells[..., 3] < 0) | ~np.isfinite(cells[..., :3]).all(axis=-1)] = np.nan
    return positions


def write_c3d(path: Path, centers: JointCenters) -> None:
    """Write points as C3D: metres, Y up (``POINT:Y_SCREEN`` tells so), a missing point with residual −1.

    The time of the first frame is kept in ``KINEFUSE:START_S``, since C3D knows whole frames only.

    Raises
    ------
    KinefuseError
        If there is no frame or point, a name cannot be written, the time stamps are not evenly spaced, or the file
        cannot be written.
    """
    path = Path(path)
    check_names("C3D file", centers.names)
    rate = _even_rate(path, centers)
    if not len(centers.time) or not centers.names:
        raise KinefuseError(f"{path}: a C3D file needs at least one frame and one point.")
    write_atomically(path, lambda partial: _write_with_ezc3d(partial, centers, rate), suffix=".c3d")


def _even_rate(path: Path, centers: JointCenters) -> float:
    if len(centers.time) < 2:
        return 1.0
    steps = np.diff(centers.time)
    if not is_even(centers.time):
        raise KinefuseError(
            f"{path}: C3D needs evenly spaced frames, but these lie {steps.min():g} to {steps.max():g} s apart; "
            "resample, or export TRC."
        )
    return 1.0 / float(steps.mean())


def _write_with_ezc3d(path: Path, centers: JointCenters, rate: float) -> None:
    import ezc3d

    missing = ~np.isfinite(centers.positions).all(axis=-1)
    points = np.ones((4, len(centers.names), len(centers.time)))
    points[:3] = np.where(missing[..., None], 0.0, centers.positions).transpose(2, 1, 0)
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [rate]
    file["parameters"]["POINT"]["UNITS"]["value"] = ["m"]
    file["parameters"]["POINT"]["LABELS"]["value"] = tuple(centers.names)
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file.add_parameter("TRIAL", "ACTUAL_START_FIELD", [1, 0])
    file.add_parameter("TRIAL", "ACTUAL_END_FIELD", _two_words(len(centers.time)))
    file.add_parameter("KINEFUSE", "START_S", [float(centers.time[0])])
    file["data"]["points"] = points
    file["data"]["meta_points"] = {
        "residuals": np.where(missing.T, -1.0, 0.0)[None],
        "camera_masks": np.zeros((7, len(centers.names), len(centers.time)), dtype=bool),
    }
    try:
        file.write(str(path))
    except (RuntimeError, ValueError) as error:
        raise KinefuseError(f"{path}: cannot be written as C3D ({error}).") from error


def _two_words(frame: int) -> list[int]:
    """Return a frame number as two signed 16-bit integers, low one first."""
    low, high = frame % 65536, frame // 65536
    return [low - 65536 if low >= 32768 else low, high]
