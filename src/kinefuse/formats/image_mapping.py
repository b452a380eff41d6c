"""Pixels of a file against pixels of the calibrated image.

Videos are scaled or padded after the calibration more often than their owners know. The relation is always
file pixel = scale * calibrated pixel + offset, with one scale for both axes; pixels count from the centre of the top
left one.
"""

from dataclasses import dataclass

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Finding, View

SIZE_TOLERANCE_PX = 1.5
"""By how much a scaled side may miss the file's, because encoders round to whole, mostly even, numbers."""

MIN_CONTENT = 0.5
"""A letter-boxed image fills at least this part of its file; less is more likely a turned or foreign video."""

BAR_SPREAD = 32.0
BAR_LEVEL = 48.0
"""Letter-box bars are dark and uniform: their grey levels (0-255) lie this close together, below this level."""

BAR_NOISE_PERCENT = 2.0
"""How much of a video's bars may be brighter or darker than that: what encoders smear over the border."""


@dataclass(frozen=True)
class ImageMapping:
    """file pixel = scale * calibrated pixel + offset.

    Attributes
    ----------
    scale : dimensionless
    offset : (x, y) pixels of the file
    """

    scale: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)

    def to_file(self, pixels: np.ndarray) -> np.ndarray:
        """Return file pixels (..., 2) for calibrated pixels (..., 2)."""
        return self.scale * np.asarray(pixels, dtype=float) + np.array(self.offset)

    def to_calibrated(self, pixels: np.ndarray) -> np.ndarray:
        """Return calibrated pixels (..., 2) for file pixels (..., 2)."""
        return (np.asarray(pixels, dtype=float) - np.array(self.offset)) / self.scale


def map_image(
    camera: Camera,
    view: View,
    file_size: tuple[int, int],
    image: np.ndarray | None = None,
    kind: str = "video",
    noise_percent: float = BAR_NOISE_PERCENT,
) -> tuple[ImageMapping, list[Finding]]:
    """Find how the file's pixels relate to those of the calibrated image.

    In this order: what the view states, unless the file's size contradicts it; the same size; scaled as a whole; scaled
    to fit, centred between bars (letter-boxed). The last is taken only if the bars can be seen in `image`, because
    sizes alone cannot tell it from a crop.

    Parameters
    ----------
    camera, view
    file_size : (width, height) pixels
    image : (H, W) or (H, W, 3) uint8, one image of the file; None where the caller knows any bars to be blank
    kind
        What the file is, for messages.
    noise_percent
        How much of the bars may be anything.

    Returns
    -------
    The mapping, and a finding if it was found rather than given.

    Raises
    ------
    KinefuseError
        If no explanation fits, or the file's size contradicts what the view states.
    """
    given = given_mapping(view)
    if given is not None and contradicts(given, camera.size, file_size):
        raise KinefuseError(_contradiction(camera, given, file_size, kind))
    if given is not None:
        return given, []
    if file_size == camera.size:
        return ImageMapping(), []
    scaled = scaled_mapping(camera.size, file_size)
    if scaled is not None:
        return scaled, [_found(camera, file_size, scaled, kind, "scaled")]
    boxed = letterbox_mapping(camera.size, file_size)
    if boxed is not None and (image is None or bars_are_blank(image, camera.size, boxed, noise_percent)):
        return boxed, [_found(camera, file_size, boxed, kind, "scaled to fit between blank bars")]
    raise KinefuseError(
        f"Camera {camera.name}: its {kind} {_is(kind)} {_times(file_size)} pixels but it was calibrated at "
        f"{_times(camera.size)}, and neither scaling nor letter-boxing explains it{_no_bars(boxed)}; set image_scale "
        f"and image_offset_px of [[camera]] {camera.name} in trial.toml (file pixel = image_scale * calibrated pixel + "
        f"image_offset_px; for all files of the camera), or {_make_fit(kind)}."
    )


def given_mapping(view: View) -> ImageMapping | None:
    """Return the mapping that a view states, None if it states nothing."""
    if view.image_scale is None and view.image_offset_px is None:
        return None
    return ImageMapping(view.image_scale or 1.0, view.image_offset_px or (0.0, 0.0))


def contradicts(given: ImageMapping, calibrated: tuple[int, int], file: tuple[int, int]) -> bool:
    """Return whether a file of this size cannot hold the calibrated image where a mapping says.

    The image fills at least half of the file. An offset that leads out of the file states a crop, of which any part may
    be left. Otherwise the file holds the image between even bars; or its size is no scaled copy's, and it shows at
    least half of the image.

    Parameters
    ----------
    given
    calibrated, file : (width, height) pixels
    """
    size, content = np.array(file, dtype=float), given.scale * np.array(calibrated, dtype=float)
    first = np.array(given.offset) - (given.scale - 1) / 2  # of the image's border, from the file's
    shown = float((np.minimum(first + content, size) - np.maximum(first, 0.0)).clip(min=0.0).prod())
    if shown < MIN_CONTENT * size.prod():
        return True
    evenly = np.abs(content + 2 * first - size).max() <= 2 * SIZE_TOLERANCE_PX
    if evenly or (first < -SIZE_TOLERANCE_PX).any():
        return False
    return scaled_mapping(calibrated, file) is not None or shown < MIN_CONTENT * content.prod()


def _contradiction(camera: Camera, given: ImageMapping, file_size: tuple[int, int], kind: str) -> str:
    x, y = given.offset
    return (
        f"Camera {camera.name}: its {kind} {_is(kind)} {_times(file_size)} pixels, which does not fit image_scale = "
        f"{given.scale:g} and image_offset_px = [{x:g}, {y:g}] for a calibration at {_times(camera.size)}; these hold "
        "for all files of a camera, so correct them, bring its files to one size, or leave them out of trial.toml if "
        "its files are only scaled."
    )


def _is(kind: str) -> str:
    return "are" if kind.endswith("s") else "is"


def _make_fit(kind: str) -> str:
    return "calibrate at the size of the video" if kind == "video" else f"write the {kind} at the calibrated size"


def _no_bars(boxed: ImageMapping | None) -> str:
    return "" if boxed is None else " (what would be its bars is not blank)"


def scaled_mapping(calibrated: tuple[int, int], file: tuple[int, int]) -> ImageMapping | None:
    """Return the mapping if one scale explains both sides, else None. Sizes are (width, height) in pixels."""
    scale = float(np.sqrt(file[0] * file[1] / (calibrated[0] * calibrated[1])))
    misses = np.abs(scale * np.array(calibrated) - np.array(file))
    if misses.max() > SIZE_TOLERANCE_PX:
        return None
    return ImageMapping(scale, ((scale - 1) / 2, (scale - 1) / 2))


def letterbox_mapping(calibrated: tuple[int, int], file: tuple[int, int]) -> ImageMapping | None:
    """Return the mapping if the image was scaled to fit and centred, None if that would leave too much blank."""
    scale = min(file[0] / calibrated[0], file[1] / calibrated[1])
    content = scale * np.array(calibrated, dtype=float)
    if content.prod() < MIN_CONTENT * file[0] * file[1]:
        return None
    offset = (np.array(file) - content) / 2 + (scale - 1) / 2
    return ImageMapping(scale, (float(offset[0]), float(offset[1])))


def bars_are_blank(
    image: np.ndarray, calibrated: tuple[int, int], mapping: ImageMapping, noise_percent: float = BAR_NOISE_PERCENT
) -> bool:
    """Return whether all that lies outside of the mapped calibrated image is dark and uniform.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8
    calibrated : (width, height) pixels
    mapping
    noise_percent : how much of the bars may be anything
    """
    grey = image.mean(axis=2) if image.ndim == 3 else image.astype(float)
    corners = mapping.to_file(np.array([[-0.5, -0.5], [calibrated[0] - 0.5, calibrated[1] - 0.5]]))
    inside = np.zeros(grey.shape, dtype=bool)
    # One pixel of tolerance: scaling filters blur the border.
    (left, top), (right, bottom) = np.floor(corners[0] - 0.5).astype(int), np.ceil(corners[1] + 1.5).astype(int)
    inside[max(top, 0) : bottom, max(left, 0) : right] = True
    bars = grey[~inside]
    if bars.size == 0:
        return True
    low, middle, high = np.percentile(bars, [noise_percent, 50, 100 - noise_percent])
    return bool(high - low <= BAR_SPREAD and middle <= BAR_LEVEL)


def _found(camera: Camera, file_size: tuple[int, int], mapping: ImageMapping, kind: str, how: str) -> Finding:
    """Say how a file was mapped; only what a video tells may be stated for all files of the camera."""
    x, y = mapping.offset
    text = (
        f"Calibrated at {_times(camera.size)} but the file is {_times(file_size)}: the {kind} was {how} (found, not "
        f"given); write image_scale = {mapping.scale:.4f} and image_offset_px = [{x:.1f}, {y:.1f}] into trial.toml to "
        "confirm."
    )
    if kind != "video":
        text = (
            f"Calibrated at {_times(camera.size)} but its {kind} are {_times(file_size)}: they were {how} (found, not "
            f"given); if that is wrong, {_make_fit(kind)}."
        )
    return Finding("warning", f"camera {camera.name}", text)


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
