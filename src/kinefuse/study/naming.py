"""Methods as one reads them, in the order in which they stand beside each other."""

from collections.abc import Iterable
from typing import Final

TITLES: Final = {
    "fusionnet": "FusionNet",
    "videonet": "VideoNet",
    "imunet": "IMUNet",
    "fusion-optimisation": "fusion by optimisation (tuned)",
    "fusion-optimisation:paper": "fusion by optimisation (as published)",
    "fusion-optimisation:calibrated": "fusion by optimisation (calibrated)",
    "fusion-optimisation:frames": "fusion by optimisation (frame by frame)",
    "smplify3d": "SMPLify3D (tuned)",
    "smplify3d:paper": "SMPLify3D (as published)",
    "imu-kinematics": "IMU kinematics (calibrated)",
    "mean-pose": "always the mean pose",
}

INPUTS: Final = {
    "fusionnet": "points and sensors",
    "videonet": "points",
    "imunet": "sensors",
    "fusion-optimisation": "points and sensors",
    "fusion-optimisation:paper": "points and sensors",
    "fusion-optimisation:calibrated": "points and sensors",
    "fusion-optimisation:frames": "points and sensors",
    "smplify3d": "points",
    "smplify3d:paper": "points",
    "imu-kinematics": "sensors",
    "mean-pose": "nothing",
}


def title(estimator: str) -> str:
    """Return a method's name in running text; that of the registry where it has no other."""
    return TITLES.get(estimator, estimator)


def ordered(estimators: Iterable[str]) -> list[str]:
    """Return methods in the order of `TITLES`; those that are not there come last, as they came."""
    names, order = list(estimators), list(TITLES)
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))
