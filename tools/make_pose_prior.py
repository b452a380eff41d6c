"""Learn the generic pose prior of ``smplify3d:paper``: a mixture of eight Gaussians over body poses (Bogo et al. 2016).

SMPLify learned its mixture from CMU motion capture. Here the joint centres of a few CMU subjects, who belong to the
training set for ever, are fitted with our own body under a very wide joint prior, and the mixture is learned from the
rotation vectors of the 21 joints. Each component gets its mirror image, so that left and right are alike.

Usage: python tools/make_pose_prior.py     (reads motion capture from the folder given by KINEFUSE_DATA)
"""

import os
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture

from kinefuse.body.fit_points import PointSet, fit_points
from kinefuse.body.fitting import FitConfig
from kinefuse.body.kinematics import local_from_world
from kinefuse.body.models import load_anny
from kinefuse.body.priors import log_rotation
from kinefuse.conventions import SEGMENTS, mirror_permutation
from kinefuse.formats.bvh import CMU_UNIT, list_bvh, read_bvh
from kinefuse.recordings import JointCenters

DATA = Path(os.environ.get("KINEFUSE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mocap"
OUT = Path(__file__).parents[1] / "src" / "kinefuse" / "body" / "pose_prior.npz"
SUBJECTS = ("001", "003", "005", "006", "009", "010", "012", "014")
POSE_RATE_HZ = 6.0
POSES_PER_CLIP = 100
COMPONENTS, REGULARISATION, SEED = 8, np.deg2rad(4.0) ** 2, 0

CMU_JOINTS = {
    "Neck": "neck_base",
    "Head": "head",
    **{
        f"{side}{theirs}": f"{ours}_{side[0].lower()}"
        for side in ("Left", "Right")
        for theirs, ours in (
            ("UpLeg", "hip"),
            ("Leg", "knee"),
            ("Foot", "ankle"),
            ("ToeBase", "mtp"),
            ("Arm", "shoulder"),
            ("ForeArm", "elbow"),
            ("FingerBase", "wrist"),
        )
    },
}
WIDE = FitConfig(prior_spread=2.0, angular_acceleration_sd=np.inf, acceleration_sd=np.inf)


def joint_centers(archive: Path, member: str) -> JointCenters | None:
    """Joint centres of a clip, thinned to a few poses a second."""
    clip = read_bvh(archive, CMU_UNIT, member)
    step = max(1, round(1 / (POSE_RATE_HZ * clip.frame_time)))
    positions = clip.joint_positions()[::step][:POSES_PER_CLIP]
    if len(positions) < 5:
        return None
    index = [clip.names.index(name) for name in CMU_JOINTS]
    time = np.arange(len(positions)) * step * clip.frame_time
    return JointCenters(names=tuple(CMU_JOINTS.values()), time=time, positions=positions[:, index])


def poses(centers: JointCenters) -> np.ndarray:
    """Rotation vectors (T, 21, 3) of the joints."""
    count = len(centers.names)
    points = PointSet(centers.names, np.full(count, 0.015), np.full(count, 0.005))
    motion = fit_points(centers, load_anny(), points, WIDE, floor_sd=0.008)
    return log_rotation(local_from_world(torch.as_tensor(motion.R_world_segment)))[:, 1:].numpy()


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """The same poses seen in a mirror; a rotation vector keeps its part across the mirror's plane."""
    return vectors[:, mirror_permutation(SEGMENTS)[1:] - 1] * np.array([-1.0, -1.0, 1.0])


def with_mirror_images(means: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add every component's mirror image: learning from mirrored poses alone leaves the mixture a little lopsided."""
    mirror = mirrored(np.eye(63).reshape(63, 21, 3)).reshape(63, 63)  # symmetric, its own inverse
    return np.concatenate([means, means @ mirror]), np.concatenate([factors, mirror @ factors])


def main() -> None:
    """Make the file of the pose prior."""
    collected = []
    for subject in SUBJECTS:
        archive = DATA / f"cmu_{subject}.zip"
        for member in list_bvh(archive):
            centers = joint_centers(archive, member)
            if centers is not None:
                collected.append(poses(centers))
                print(archive.name, member, len(collected[-1]), flush=True)
    vectors = np.concatenate(collected)
    data = np.concatenate([vectors, mirrored(vectors)]).reshape(2 * len(vectors), -1)
    print(f"{len(vectors)} poses")
    mixture = GaussianMixture(COMPONENTS, reg_covar=REGULARISATION, random_state=SEED, n_init=2).fit(data)
    print("weights", mixture.weights_.round(3), "spread, degrees", np.degrees(data.std(0)).reshape(21, 3).round())
    means, factors = with_mirror_images(mixture.means_, mixture.precisions_cholesky_)
    log_det = np.log(np.diagonal(mixture.precisions_cholesky_, axis1=-2, axis2=-1)).sum(-1)
    constant = np.tile(-2 * (np.log(mixture.weights_) + log_det), 2)
    np.savez_compressed(
        OUT,
        means=means.astype(np.float32),
        factors=factors.astype(np.float32),
        constant=(constant - constant.min()).astype(np.float32),
    )
    print(OUT.stat().st_size / 1e6, "MB")


if __name__ == "__main__":
    main()
