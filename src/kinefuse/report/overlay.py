"""The result drawn over frames of the real video, so that anyone can see whether it fits."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.image_mapping import ImageMapping, map_image
from kinefuse.formats.videos import import_cv2
from kinefuse.motion import Motion
from kinefuse.recordings import Recording, View
from kinefuse.report.agreement import body_points, nearest_frames
from kinefuse.report.markup import number, section, text
from kinefuse.vision.cameras import project_within_lens

PICTURES: Final = 4
SIDE_PX: Final = 900
MAX_BYTES: Final = 150_000
SEEK_FROM: Final = 900
"""Beyond this frame a video is entered at a key frame instead of being decoded from its start."""
LEFT, RIGHT, MIDDLE, SEEN = (178, 114, 0), (0, 94, 213), (235, 235, 235), (60, 230, 250)  # blue, green, red
TIPS: Final = (("foot_l", "big_toe_l"), ("foot_r", "big_toe_r"), ("head", "head_top"))


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One frame of one camera with the result drawn on it.

    Attributes
    ----------
    camera, time_s, frame : which one; `frame` counts from 0 in the video
    jpeg : the encoded picture
    """

    camera: str
    time_s: float
    frame: int
    jpeg: bytes


def overlay_section(motion: Motion, recording: Recording | None, body: BodyModel | None) -> str:
    """Return the section with up to four pictures; empty if there is no video at all."""
    if recording is None or not any(view.video is not None for view in recording.views) or not len(motion.time):
        return ""
    pictures, problems = draw_pictures(motion, recording, body)
    figures = "".join(_figure(picture) for picture in pictures)
    notes = "".join(f'<p class="note">{text(problem)}</p>' for problem in problems)
    lead = (
        "<p>The estimated skeleton (left blue, right orange) drawn over the video; yellow crosses are the points that "
        "were found in this image. Where lines and body part company, do not trust the angles.</p>"
    )
    return section("overlay", "Result over the video", lead + f'<div class="pictures">{figures}</div>{notes}')


def _figure(picture: Picture) -> str:
    source = base64.b64encode(picture.jpeg).decode("ascii")
    caption = f"{text(picture.camera)}, {number(picture.time_s, 2)} s (frame {picture.frame})"
    return (
        f'<figure><img alt="Video of camera {text(picture.camera)} with the estimated skeleton" '
        f'src="data:image/jpeg;base64,{source}"><figcaption>{caption}</figcaption></figure>'
    )


def draw_pictures(motion: Motion, recording: Recording, body: BodyModel | None) -> tuple[list[Picture], list[str]]:
    """Draw the result over one frame each of up to four cameras, spread over time.

    Returns
    -------
    The pictures, and a sentence for each camera whose video could not be used.
    """
    pictures, problems = [], []
    for view, share in choose_views(recording):
        try:
            pictures.append(_picture(motion, recording, body, view, share))
        except KinefuseError as error:
            problems.append(str(error))
    return pictures, list(dict.fromkeys(problems))


def choose_views(recording: Recording) -> list[tuple[View, float]]:
    """Return up to four (view, share of the trial's time) pairs: as many cameras as possible, evenly spread."""
    views = [view for view in recording.views if view.video is not None]
    if not views:
        return []
    rows = np.linspace(0, len(views) - 1, PICTURES).round().astype(int) if len(views) >= PICTURES else None
    chosen = [views[i] for i in rows] if rows is not None else [views[i % len(views)] for i in range(PICTURES)]
    return [(view, (i + 0.5) / PICTURES) for i, view in enumerate(chosen)]


def _picture(motion: Motion, recording: Recording, body: BodyModel | None, view: View, share: float) -> Picture:
    if view.rate_hz is None or view.start_s is None or view.video is None:
        raise KinefuseError(
            f"Camera {view.camera} is not drawn, because its frame rate or start is unknown; state rate_hz and "
            "start_s in trial.toml."
        )
    wanted = motion.time[0] + share * (motion.time[-1] - motion.time[0])
    frame = max(0, round((wanted - view.start_s) * view.rate_hz))
    frame, image = read_frame(view.video, frame)
    time = view.start_s + frame / view.rate_hz
    at = int(nearest_frames(motion.time, np.array([time]))[0])
    camera = recording.camera(view.camera)
    mapping, _ = map_image(camera, view, (image.shape[1], image.shape[0]), image)
    lines = skeleton_lines(motion, body, at) if at >= 0 else []
    drawn = [(side, mapping.to_file(project_within_lens(camera, ends))) for side, ends in lines]
    picture = draw_overlay(image, drawn, _seen_points(view, frame, mapping))
    return Picture(camera=view.camera, time_s=time, frame=frame, jpeg=encode_jpeg(picture, MAX_BYTES))


def read_frame(path: Path, frame: int) -> tuple[int, np.ndarray]:
    """Return a frame of a video, (H, W, 3) uint8 BGR, with its number: the last one if the video ends before.

    Raises
    ------
    KinefuseError
        If the video cannot be read.
    """
    position, image = _decode(path, frame)
    if image is None and position > 0:  # the video is shorter than its times say
        position, image = _decode(path, position - 1)
    if image is None:
        raise KinefuseError(f"{path}: frame {frame} cannot be read; check that the video is whole.")
    return position, image


def _decode(path: Path, frame: int) -> tuple[int, np.ndarray | None]:
    """Return how far the video could be decoded, and the image there if that is as far as was asked."""
    cv2 = import_cv2()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        position = 0
        if SEEK_FROM < frame < capture.get(cv2.CAP_PROP_FRAME_COUNT) and capture.set(cv2.CAP_PROP_POS_FRAMES, frame):
            position = int(capture.get(cv2.CAP_PROP_POS_FRAMES))
        while position < frame and capture.grab():
            position += 1
        good, image = capture.read()
    finally:
        capture.release()
    return position, image if good else None


def skeleton_lines(motion: Motion, body: BodyModel | None, frame: int) -> list[tuple[str, np.ndarray]]:
    """Return the lines of the skeleton in one frame: side ("l", "r", "c") and both ends (2, 3), metres in the world."""
    joints = motion.positions[frame]
    lines = [
        (_side(name), np.stack([joints[parent], joints[s]]))
        for s, (name, parent) in enumerate(zip(SEGMENTS, SEGMENT_PARENTS, strict=True))
        if parent >= 0
    ]
    names, places = body_points(motion.frames(slice(frame, frame + 1)), body)
    for segment, point in TIPS:
        if point in names:
            start = joints[SEGMENTS.index(segment)]
            lines.append((_side(segment), np.stack([start, places[0, names.index(point)]])))
    return [(side, ends) for side, ends in lines if np.isfinite(ends).all()]


def _side(name: str) -> str:
    return name[-1] if name.endswith(("_l", "_r")) else "c"


def _seen_points(view: View, frame: int, mapping: ImageMapping) -> np.ndarray:
    """Return the points seen in a frame, of all people, (N, 2) file pixels."""
    if view.keypoints is None or frame >= len(view.keypoints.pixels):
        return np.zeros((0, 2))
    pixels = view.keypoints.pixels[frame].reshape(-1, 2)
    return mapping.to_file(pixels[np.isfinite(pixels).all(axis=1)])


def crop_box(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the part of an image that shows the body with some room around it.

    Parameters
    ----------
    points : (N, 2) pixels of the body; the whole image is taken if none lies in it
    size : (width, height) pixels
    """
    width, height = size
    inside = np.isfinite(points).all(axis=1)
    inside[inside] = (points[inside] > -0.5 * width).all(axis=1) & (points[inside] < 1.5 * max(size)).all(axis=1)
    if not inside.any():
        return 0, 0, width, height
    low, high = points[inside].min(axis=0), points[inside].max(axis=0)
    room = 0.22 * float((high - low).max()) + 20.0
    left, top = np.clip(low - room, 0, [width - 2, height - 2]).astype(int).tolist()
    right, bottom = np.clip(high + room, [left + 2, top + 2], [width, height]).astype(int).tolist()
    return left, top, right, bottom


def draw_overlay(image: np.ndarray, lines: list[tuple[str, np.ndarray]], seen: np.ndarray) -> np.ndarray:
    """Return the part of an image around the body, at most `SIDE_PX` high and wide, with skeleton and points.

    Parameters
    ----------
    image : (H, W, 3) uint8 BGR
    lines : side and ends (2, 2) in pixels of `image`, NaN where behind the camera
    seen : (N, 2) detected points, pixels of `image`
    """
    cv2 = import_cv2()
    ends = np.concatenate([line for _, line in lines]) if lines else seen
    left, top, right, bottom = crop_box(ends.reshape(-1, 2), (image.shape[1], image.shape[0]))
    part = image[top:bottom, left:right]
    scale = min(SIDE_PX / max(part.shape[:2]), 2.0)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(part, None, fx=scale, fy=scale, interpolation=method)
    corner = np.array([left, top])
    for outline in (True, False):
        for side, line in lines:
            _draw_line(cv2, picture, (line - corner) * scale, side, outline)
    for point in (seen - corner) * scale:
        centre = tuple(int(v) for v in np.round(point))
        cv2.drawMarker(picture, centre, (0, 0, 0), cv2.MARKER_TILTED_CROSS, 13, 4, cv2.LINE_AA)
        cv2.drawMarker(picture, centre, SEEN, cv2.MARKER_TILTED_CROSS, 11, 2, cv2.LINE_AA)
    return picture


def _draw_line(cv2: Any, picture: np.ndarray, ends: np.ndarray, side: str, outline: bool) -> None:
    if not np.isfinite(ends).all() or np.abs(ends).max() > 20_000:
        return
    start, end = (tuple(int(v) for v in np.round(point)) for point in ends)
    colour = (0, 0, 0) if outline else {"l": LEFT, "r": RIGHT}.get(side, MIDDLE)
    cv2.line(picture, start, end, colour, 6 if outline else 3, cv2.LINE_AA)
    cv2.circle(picture, end, 6 if outline else 4, colour, -1, cv2.LINE_AA)


def encode_jpeg(picture: np.ndarray, max_bytes: int) -> bytes:
    """Return a picture as JPEG, as good as fits into `max_bytes`; made smaller where that is not enough."""
    cv2 = import_cv2()
    while True:
        for quality in (88, 80, 70, 60, 45):
            jpeg = bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
            if len(jpeg) <= max_bytes or min(picture.shape[:2]) < 64:
                return jpeg
        picture = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
