"""From the segments that carry a sensor to all 22: what lies between two of them shares their turn equally.

Segments beyond the last sensor of a limb keep the anatomical zero: a forearm without a sensor is straight, a hand or a
foot goes on as its neighbour. The clavicles stay with the thorax, as in `body.angles.orientations_from_angles`.
"""

from typing import Final

import numpy as np

from kinefuse.body.angles import ANATOMICAL_OFFSETS
from kinefuse.conventions import SEGMENT_INDEX
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix, yaw_matrix

CHAINS: Final = (
    ("pelvis", "lumbar", "abdomen", "thorax"),
    ("thorax", "neck", "head"),
    *(("pelvis", f"thigh_{side}", f"shank_{side}", f"foot_{side}", f"toes_{side}") for side in "lr"),
    *(("thorax", f"upper_arm_{side}", f"forearm_{side}", f"hand_{side}") for side in "lr"),
    *(("thorax", f"clavicle_{side}") for side in "lr"),
)
"""Every chain begins with a segment that is whole once the chains before it are."""


def whole_body(R_world_segment: np.ndarray) -> np.ndarray:
    """Return orientations of all segments (T, 22, 3, 3), given those of some; the others are NaN throughout.

    Without a pelvis it stands upright and faces where thorax, head or, without them, all known segments face.
    """
    frames = R_world_segment @ ANATOMICAL_OFFSETS
    known = np.isfinite(frames).all(axis=(0, 2, 3))
    if not known[SEGMENT_INDEX["pelvis"]]:
        trunk = [SEGMENT_INDEX[name] for name in ("thorax", "head") if known[SEGMENT_INDEX[name]]]
        frames[:, SEGMENT_INDEX["pelvis"]] = upright(frames[:, trunk[:1] or known])
        known[SEGMENT_INDEX["pelvis"]] = True
    for chain in CHAINS:
        _complete_chain(frames, known, [SEGMENT_INDEX[name] for name in chain])
    return frames @ np.swapaxes(ANATOMICAL_OFFSETS, -1, -2)


def upright(frames: np.ndarray) -> np.ndarray:
    """Return the turns about the vertical (T, 3, 3) that are nearest to frames (T, N, 3, 3) together."""
    total = frames.sum(axis=1)
    return yaw_matrix(np.arctan2(total[:, 0, 2] - total[:, 2, 0], total[:, 0, 0] + total[:, 2, 2]))


def _complete_chain(frames: np.ndarray, known: np.ndarray, chain: list[int]) -> None:
    """Fill the unknown frames (T, 22, 3, 3) of a chain of segments in place, and mark them in `known` (22,)."""
    for place in range(1, len(chain)):
        if known[chain[place]]:
            continue
        before = frames[:, chain[place - 1]]
        ahead = next((far for far in range(place + 1, len(chain)) if known[chain[far]]), None)
        frames[:, chain[place]] = before
        if ahead is not None:
            turn = rotvec_from_matrix(np.swapaxes(before, -1, -2) @ frames[:, chain[ahead]])
            frames[:, chain[place]] = before @ matrix_from_rotvec(turn / (ahead - place + 1))
        known[chain[place]] = True
