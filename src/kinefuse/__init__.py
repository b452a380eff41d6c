"""Human movement from calibrated cameras, body-worn inertial sensors, or both."""

from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Recording

__version__ = "0.1.0"

__all__ = ["KinefuseError", "Motion", "Recording", "__version__"]
