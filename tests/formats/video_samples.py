"""Small videos, drawn for tests."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

opencv: Any = cv2
"""OpenCV's own type stubs lack `VideoWriter_fourcc`."""


def draw_video(path: Path, size: tuple[int, int], bars_px: int = 0, rate_hz: float = 25.0, grey: int = 150) -> Path:
    """Write three grey frames of `size` (width, height) with black bars above and below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = opencv.VideoWriter(str(path), opencv.VideoWriter_fourcc(*"mp4v"), rate_hz, size)
    image = np.full((size[1], size[0], 3), grey, dtype=np.uint8)
    if bars_px:
        image[:bars_px] = image[-bars_px:] = 0
    for _ in range(3):
        writer.write(image)
    writer.release()
    return path
