from dataclasses import replace

import numpy as np

from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person


def test_frames_cut_everything_that_runs_over_time() -> None:
    motion = walk(demo_person(), Walk(duration_s=0.1))
    sd = np.arange(motion.angles.size, dtype=float).reshape(motion.angles.shape)
    motion = replace(motion, angle_sd=sd, orientation_sd=sd[:, :22], notes=("kept",))
    every_other = motion.frames(slice(None, None, 2))
    masked = motion.frames(np.arange(len(motion.time)) % 2 == 0)
    for part in (every_other, masked):
        for name in ("time", "R_world_segment", "positions", "angles", "provenance", "angle_sd", "orientation_sd"):
            np.testing.assert_array_equal(getattr(part, name), getattr(motion, name)[::2])
        assert part.notes == ("kept",)
