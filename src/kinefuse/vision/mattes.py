"""Person mattes: which pixels of a camera's images show the person.

They are kept at a reduced size, as one bit a cell, because a matte is used for volumes and overlays whose voxels cover
many pixels. They come from the detector (a ``.npz`` in the cache) or from a trial's own silhouettes (a video, or a
folder of PNG images; foreground is above 127).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.camera_matching import natural_key
from kinefuse.formats.image_mapping import ImageMapping, map_image
from kinefuse.formats.videos import import_cv2, iterate_frames
from kinefuse.recordings import Camera, View

MATTE_SIDE_PX = 480
"""The longer side of a stored matte; a cell then covers 4 pixels of a full-HD image, as fine as the detector's own."""

FOREGROUND = 127


@dataclass(frozen=True, kw_only=True)
class Mattes:
    """Person mattes of one camera, one row a frame, at reduced size.

    Attributes
    ----------
    packed : (T, H, ceil(W / 8)) uint8, `numpy.packbits` along rows
    size : (W, H) of the mattes, cells
    file_size : (width, height) of the images that they were made from, pixels
    mapping : from those images' pixels to calibrated pixels
    """

    packed: np.ndarray
    size: tuple[int, int]
    file_size: tuple[int, int]
    mapping: ImageMapping

    def __post_init__(self) -> None:
        width, height = self.size
        if self.packed.ndim != 3 or self.packed.shape[1:] != (height, -(-width // 8)):
            raise KinefuseError(f"mattes: {self.packed.shape} packed cells do not fit a size of {self.size}.")

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


def person_mattes(camera: Camera, view: View) -> Mattes:
    """Return the person mattes of a view, from wherever `View.silhouettes` points to.

    Parameters
    ----------
    camera, view
        `view.silhouettes` is what `detect_recording(..., mattes=True)` has set, or a trial's own.

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
        return _read_stored(camera, view, view.silhouettes)
    return read_silhouettes(view.silhouettes, camera, view)


def _read_stored(camera: Camera, view: View, path: Path) -> Mattes:
    from kinefuse.vision.cache import read_detections

    detections = read_detections(path)
    if detections is None or detections.mattes is None:
        raise FormatError(f"{path}: holds no person mattes; delete it and detect again.")
    given = ImageMapping(view.image_scale or 1.0, view.image_offset_px or (0.0, 0.0))
    return Mattes(
        packed=detections.mattes,
        size=matte_size(detections.size),
        file_size=detections.size,
        mapping=given,
    )


def read_silhouettes(path: Path, camera: Camera, view: View, side_px: int = MATTE_SIDE_PX) -> Mattes:
    """Read a trial's silhouettes: a video, or a folder of PNG images in the order of their names.

    Parameters
    ----------
    path : the video or folder
    camera, view
        Tell how the silhouettes' pixels relate to calibrated ones; those of the calibrated size, or a scaled or
        letter-boxed copy of it, need no `View.image_scale`.
    side_px : longer side of the mattes kept

    Raises
    ------
    FormatError
        If an image cannot be read, or has another size than the first.
    KinefuseError
        If there are none, or their size has no explanation.
    """
    kept: list[np.ndarray] = []
    file_size: tuple[int, int] | None = None
    for name, image in _silhouette_images(path):
        size = (image.shape[1], image.shape[0])
        file_size = file_size or size
        if size != file_size:
            raise FormatError(f"{name}: is {size} pixels, but the first silhouette is {file_size}; make them equal.")
        kept.append(shrink_matte(image > FOREGROUND, matte_size(size, side_px)))
    if file_size is None:
        raise KinefuseError(f"{path}: holds no silhouettes; expected a video or PNG images, one a frame.")
    mapping = ImageMapping()
    if file_size != camera.size:
        mapping, _ = map_image(camera, view, file_size, kind="silhouettes")
    packed = pack_mattes(kept, matte_size(file_size, side_px))
    return Mattes(packed=packed, size=matte_size(file_size, side_px), file_size=file_size, mapping=mapping)


def _silhouette_images(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, image (H, W) uint8) of a video or a folder of PNG images."""
    if not path.is_dir():
        for number, frame in enumerate(iterate_frames(path)):
            yield f"{path}, frame {number}", frame.max(axis=2)
        return
    cv2 = import_cv2()
    for file in sorted(path.glob("*.png"), key=lambda p: natural_key(p.name)):
        image = cv2.imdecode(np.frombuffer(file.read_bytes(), dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FormatError(f"{file}: cannot be read as a PNG image; write it again.")
        yield str(file), image
