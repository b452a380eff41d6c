"""How a sensor turned within a short window, and where up is, from its own gyroscope and accelerometer (PyTorch).

Over a few seconds a gyroscope's integral is off by a degree or less, and the mean specific force, carried along by it,
is gravity but for the change of velocity over the window. Both need no mounting and no heading.
"""

import roma
import torch


def turns_to_middle(angular_rate: torch.Tensor, rate_hz: float) -> torch.Tensor:
    """Return R_middle_now, the rotation from a sensor's axes now to its axes at the window's middle frame.

    Parameters
    ----------
    angular_rate : (B, T, S, 3) rad/s in sensor axes; zero where missing
    rate_hz : frames a second

    Returns
    -------
    (B, T, S, 3, 3)
    """
    step = 0.5 * (angular_rate[:, 1:] + angular_rate[:, :-1]) / rate_hz
    turns = roma.rotvec_to_rotmat(step)
    first = torch.eye(3, device=turns.device, dtype=turns.dtype).expand_as(turns[:, :1])
    whole = running_product(torch.cat([first, turns], dim=1))
    middle = whole[:, whole.shape[1] // 2]
    return middle[:, None].transpose(-1, -2) @ whole


def running_product(turns: torch.Tensor) -> torch.Tensor:
    """Return products of the first 1, 2, ... T matrices of (B, T, ..., 3, 3), in log T batched steps."""
    whole, reach = turns, 1
    while reach < whole.shape[1]:
        whole = torch.cat([whole[:, :reach], whole[:, :-reach] @ whole[:, reach:]], dim=1)
        reach *= 2
    return whole


def up_in_middle(R_middle_now: torch.Tensor, specific_force: torch.Tensor, worn: torch.Tensor) -> torch.Tensor:
    """Return the vertical (B, S, 3), unit vectors in the sensors' axes at the middle frame; zero without readings.

    Parameters
    ----------
    R_middle_now : (B, T, S, 3, 3) from `turns_to_middle`
    specific_force : (B, T, S, 3) m/s²
    worn : (B, T, S) one where there is a reading
    """
    carried = (R_middle_now @ (specific_force * worn[..., None])[..., None])[..., 0]
    return torch.nn.functional.normalize(carried.sum(1), dim=-1, eps=1e-6)


def level_rotation(up: torch.Tensor) -> torch.Tensor:
    """Return the smallest rotations (..., 3, 3) that turn unit vectors `up` (..., 3) to (0, 1, 0)."""
    y = torch.zeros_like(up)
    y[..., 1] = 1.0
    axis = torch.linalg.cross(up, y)
    cosine, sine = up[..., 1], axis.norm(dim=-1)
    # Upside down, any horizontal axis will do.
    flipped = (sine < 1e-6) & (cosine < 0)
    axis = torch.where(flipped[..., None], torch.tensor([1.0, 0.0, 0.0], device=up.device, dtype=up.dtype), axis)
    angle = torch.atan2(sine, cosine)
    return roma.rotvec_to_rotmat(torch.nn.functional.normalize(axis, dim=-1, eps=1e-12) * angle[..., None])
