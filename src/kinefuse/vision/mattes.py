"""Person mattes: which pixels of a camera's images show the person.

They are kept at a reduced size, as one bit a cell, because a matte is used for volumes and overlays whose voxels cover
many pixels. They come from the detector (a ``.npz`` in the cache) or from a trial's own silhouettes (a video, or a
folder of PNG images; foreground is above 127).

A frame whose matte is missing, because a file is missing or shows somebody else, is a gap: nobody knows what the camera
saw. A matte without foreground says instead that nobody was there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.image_mapping import ImageMapping, given_mapping, map_image
from kinefuse.formats.openpose import MAX_FRAMES
from kinefuse.formats.trial_files import png_files
from kinefuse.formats.videos import import_cv2, iterate_frames
from kinefuse.recordings import Camera, Finding, View

MATTE_SIDE_PX = 480
"""The longer side of a stored matte; a cell then covers 4 pixels of a full-HD image, as fine as the detector's own."""

FOREGROUND = 127

SPECKS_PERCENT = 0.1
"""How much of letter-box bars foreground may cover in all mattes together: specks, but no head and no feet."""

LONGEST_NUMBER = 18
"""Digits; no camera counts so far."""

_NUMBER = re.compile(r"(\d+)\.png$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Mattes:
    """Person mattes of one camera, one row a frame, at reduced size.

    Attributes
    ----------
    packed : (T, H, ceil(W / 8)) uint8, `numpy.packbits` along rows
    size : (W, H) of the mattes, cells
    file_size : (width, height) of the images that they were made from, pixels
    mapping : from those images' pixels to calibrated pixels
    gaps : (T,) true where a frame has no matte, and its row is blank; None for nowhere
    findings : what has to be said of them
    """

    packed: np.ndarray
    size: tuple[int, int]
    file_size: tuple[int, int]
    mapping: ImageMapping
    gaps: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        width, height = self.size
        if self.packed.ndim != 3 or self.packed.shape[1:] != (height, -(-width // 8)):
            raise KinefuseError(f"mattes: {self.packed.shape} packed cells do not fit a size of {self.size}.")
        if self.gaps is not None and self.gaps.shape != (len(self.packed),):
            raise KinefuseError(f"mattes: {self.gaps.shape} gaps do not fit {len(self.packed)} frames.")

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def pixels_per_cell(self) -> np.ndarray:
        """(2,) file pixels that one cell covers along x and y."""
        return np.array(self.file_size, dtype=float) / np.array(self.size)

    def frames(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return the mattes of frames `first` to `last` (not included), (T, H, W) bool."""
        return np.unpackbits(self.packed[first:last], axis=2, count=self.size[0]).astype(bool)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.frames(i, i + 1)[0] for i in range(len(self)))

    def to_file(self, cells: np.ndarray) -> np.ndarray:
        """Return file pixels (..., 2) of matte cells (..., 2); both count from the centre of the top left one."""
        return (np.asarray(cells, dtype=float) + 0.5) * self.pixels_per_cell - 0.5

    def from_calibrated(self, pixels: np.ndarray) -> np.ndarray:
        """Return matte cells (..., 2), not rounded, of calibrated pixels (..., 2)."""
        return (self.mapping.to_file(pixels) + 0.5) / self.pixels_per_cell - 0.5

    def at(self, frame: int, pixels: np.ndarray) -> np.ndarray:
        """Return whether calibrated pixels (..., 2) show the person in a frame, (...) bool; false outside."""
        matte = self.frames(frame, frame + 1)[0]
        cells = np.rint(np.nan_to_num(self.from_calibrated(pixels), nan=-1.0)).astype(int)
        inside = (cells >= 0).all(axis=-1) & (cells < np.array(self.size)).all(axis=-1)
        cells = np.where(inside[..., None], cells, 0)
        return matte[cells[..., 1], cells[..., 0]] & inside


def matte_size(file_size: tuple[int, int], side_px: int = MATTE_SIDE_PX) -> tuple[int, int]:
    """Return the (width, height) at which mattes of images of this size are kept; never larger than the images."""
    factor = min(1.0, side_px / max(file_size))
    return max(1, round(file_size[0] * factor)), max(1, round(file_size[1] * factor))


def shrink_matte(matte: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a matte (H, W) bool at another (width, height): a cell is set if at least half of it was."""
    cv2 = import_cv2()
    area = cv2.resize(matte.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    return np.asarray(area > FOREGROUND)


def pack_mattes(mattes: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return mattes, each (H, W) bool of `size` (W, H), as bits (T, H, ceil(W / 8))."""
    if not mattes:
        return np.zeros((0, size[1], -(-size[0] // 8)), dtype=np.uint8)
    return np.stack([np.packbits(matte, axis=1) for matte in mattes])


def person_mattes(camera: Camera, view: View, first_number: int | None = None) -> Mattes:
    """Return the person mattes of a view, from wherever `View.silhouettes` points to.

    Parameters
    ----------
    camera, view
        `view.silhouettes` is what `detect_recording(..., mattes=True)` has set, or a trial's own.
    first_number
        As in `read_silhouettes`.

    Raises
    ------
    KinefuseError
        If the view has none, or they cannot be read.
    """
    if view.silhouettes is None:
        raise KinefuseError(
            f"Camera {view.camera} has no person mattes; ask the detector for them, or put them into silhouettes/."
        )
    if view.silhouettes.suffix == ".npz":
        return _read_stored(view, view.silhouettes)
    return read_silhouettes(view.silhouettes, camera, view, first_number=first_number)


def _read_stored(view: View, path: Path) -> Mattes:
    from kinefuse.vision.cache import read_detections

    detections = read_detections(path)
    if detections is None or detections.mattes is None:
        raise FormatError(f"{path}: holds no person mattes; delete it and detect again.")
    return Mattes(
        packed=detections.mattes,
        size=matte_size(detections.size),
        file_size=detections.size,
        mapping=given_mapping(view) or ImageMapping(),
        gaps=detections.gaps,
    )


def smallest_number(view: View) -> int | None:
    """Return the smallest frame number of a view's PNG silhouettes; None if no numbers tell their frames."""
    if view.silhouettes is None or not view.silhouettes.is_dir():
        return None
    return min(_numbered(png_files(view.silhouettes)) or {}, default=None)


def read_silhouettes(
    path: Path, camera: Camera, view: View, side_px: int = MATTE_SIDE_PX, first_number: int | None = None
) -> Mattes:
    """Read a trial's silhouettes: a video, or a folder of PNG images.

    Where the names of images end in a number, it is the frame's, and a number that is left out is a gap; else their
    order is that of their names.

    Parameters
    ----------
    path : the video or folder
    camera, view
        Tell how the silhouettes' pixels relate to calibrated ones; those of the calibrated size, or a scaled or
        letter-boxed copy of it, need no `View.image_scale`.
    side_px : longer side of the mattes kept
    first_number : number of the first frame; None is the smallest in this folder

    Raises
    ------
    FormatError
        If an image cannot be read, has another size than the first, or has a number that cannot be.
    KinefuseError
        If there are none, their size has no explanation, or there is foreground in what would be letter-box bars.
    """
    kept: dict[int, np.ndarray] = {}
    anywhere: np.ndarray | None = None
    for frame, name, image in _silhouette_images(path, first_number):
        shown = image > FOREGROUND
        anywhere = np.zeros_like(shown) if anywhere is None else anywhere
        if shown.shape != anywhere.shape:
            sizes = f"is {_size(shown)} pixels, but the first silhouette is {_size(anywhere)}"
            raise FormatError(f"{name}: {sizes}; make them equal.")
        anywhere |= shown
        kept[frame] = np.packbits(shrink_matte(shown, matte_size(_size(shown), side_px)), axis=1)
    if anywhere is None:
        raise KinefuseError(f"{path}: holds no silhouettes; expected a video or PNG images, one a frame.")
    file_size = _size(anywhere)
    seen = 255 * anywhere.astype(np.uint8)
    mapping, findings = map_image(camera, view, file_size, seen, "silhouettes", SPECKS_PERCENT)
    packed, gaps = _in_place(kept, matte_size(file_size, side_px))
    return Mattes(
        packed=packed,
        size=matte_size(file_size, side_px),
        file_size=file_size,
        mapping=mapping,
        gaps=gaps if gaps.any() else None,
        findings=(*findings, *_told_gaps(view, gaps)),
    )


def _size(image: np.ndarray) -> tuple[int, int]:
    """Return (width, height) of an image (H, W)."""
    return image.shape[1], image.shape[0]


def _in_place(kept: Mapping[int, np.ndarray], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return packed mattes (T, H, ceil(W / 8)) from those of some frames, and (T,) true where there is none."""
    frames = max(kept) + 1
    packed, gaps = np.zeros((frames, size[1], -(-size[0] // 8)), dtype=np.uint8), np.ones(frames, dtype=bool)
    for frame, matte in kept.items():
        packed[frame], gaps[frame] = matte, False
    return packed, gaps


def _told_gaps(view: View, gaps: np.ndarray) -> list[Finding]:
    if not gaps.any():
        return []
    text = (
        f"Its silhouettes lack {int(gaps.sum())} of {len(gaps)} frames, by the numbers in their names (first frame "
        f"{int(np.argmax(gaps))}, counted from 0); the camera does not count there."
    )
    return [Finding("warning", f"camera {view.camera}", text)]


def _silhouette_images(path: Path, first_number: int | None) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield (frame, name, image (H, W) uint8) of a video or a folder of PNG images."""
    if not path.is_dir():
        for frame, picture in enumerate(iterate_frames(path)):
            yield frame, f"{path}, frame {frame}", picture.max(axis=2)
        return
    cv2 = import_cv2()
    for frame, file in _frames_of(path, first_number).items():
        image = cv2.imdecode(np.frombuffer(file.read_bytes(), dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FormatError(f"{file}: cannot be read as a PNG image; write it again.")
        yield frame, str(file), image


def _frames_of(folder: Path, first_number: int | None) -> dict[int, Path]:
    """Return frame to PNG image of a folder."""
    files = png_files(folder)
    numbered = _numbered(files)
    if not numbered:
        return dict(enumerate(files))
    first = min(numbered) if first_number is None else first_number
    if min(numbered) < first or max(numbered) - first >= MAX_FRAMES:
        raise FormatError(
            f"{folder}: frame numbers run from {min(numbered)} to {max(numbered)}, but expected at most {MAX_FRAMES} "
            f"frames from {first} on; number the images by frame."
        )
    return {number - first: numbered[number] for number in sorted(numbered)}


def _numbered(files: list[Path]) -> dict[int, Path] | None:
    """Return number to file; None if no name ends in a number.

    Raises
    ------
    FormatError
        If only some names do, or a number appears twice.
    """
    numbers = [_NUMBER.search(p.name) for p in files]
    if not any(numbers):
        return None
    out: dict[int, Path] = {}
    for path, match in zip(files, numbers, strict=True):
        if match is None or len(match[1]) > LONGEST_NUMBER:
            raise FormatError(f"{path}: expected a frame number at the end of the name, as other images there have it.")
        if int(match[1]) in out:
            raise FormatError(f"{path}: frame {int(match[1])} appears twice; keep one image for each frame.")
        out[int(match[1])] = path
    return out
