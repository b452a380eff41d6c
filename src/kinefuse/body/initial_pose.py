"""A first pose in closed form: each segment, from the pelvis outwards, is turned to meet the points that it carries."""

import torch

from kinefuse.body.kinematics import N_SEGMENTS
from kinefuse.body.priors import HINGE_ROWS, resting_pose
from kinefuse.conventions import SEGMENT_PARENTS

NEAR_JOINT_M = 0.12
FOLLOW_WEIGHT = 0.004
HINGE_WEIGHT = 0.03
PELVIS_SPAN_M = 0.04
OFF_PELVIS_WEIGHT = 0.02
TRUNK = (0, 3, 6, 9, 13, 14)
BESIDE_TRUNK = (1, 2, 16, 17)
"""Thighs and upper arms, whose points at hips and shoulders belong to the trunk as well."""


def fill_in_time(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fill missing points from the nearest frame that has them, for starting values only.

    A point taken from another frame is moved by as much as the points that both frames show have moved on average:
    a hip hidden for three seconds of walking would else be metres behind.

    Parameters
    ----------
    points : (T, K, 3), NaN where missing

    Returns
    -------
    filled : (T, K, 3), zero where a point never appears
    ever : (K,) true for points that appear at least once
    """
    seen = torch.isfinite(points).all(-1)
    frames = torch.arange(len(points))[:, None]
    last = torch.where(seen, frames, torch.tensor(-1)).cummax(0).values
    coming = torch.where(seen, frames, torch.tensor(len(points))).flip(0).cummin(0).values.flip(0)
    use_last = (last >= 0) & ((frames - last <= coming - frames) | (coming >= len(points)))
    source = torch.where(use_last, last, coming.clamp(max=len(points) - 1))
    filled = points[source, torch.arange(points.shape[1])] + _common_shift(points, seen, source)
    ever = seen.any(0)
    return torch.where(ever[None, :, None], filled, torch.zeros(())), ever


def _common_shift(points: torch.Tensor, seen: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Mean movement (T, K, 3) from frame `source` (T, K) to this one, of the points seen in both; 0 without any."""
    shift = torch.zeros_like(points)
    for k in range(points.shape[1]):
        hidden = (~seen[:, k]).nonzero()[:, 0]
        common = (seen[hidden] & seen[source[hidden, k]])[..., None]
        moved = torch.where(common, points[hidden] - points[source[hidden, k]], 0.0)
        shift[hidden, k] = moved.sum(1) / common.sum(1).clamp(min=1)
    return shift


def align_directions(source: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the rotations (T, 3, 3) that best turn `source` into `target` (Kabsch 1976).

    Parameters
    ----------
    source, target : (T, N, 3)
    weight : (T, N)
    """
    covariance = torch.einsum("tn,tni,tnj->tij", weight, target, source)
    u, _, vt = torch.linalg.svd(covariance)
    proper = torch.ones(len(u), 3, dtype=u.dtype)
    proper[:, 2] = torch.linalg.det(u @ vt)
    return (u * proper[:, None]) @ vt


class _Chain:
    """State of the outward pass: rotations and joints found so far, and the points to be met."""

    def __init__(self, points: torch.Tensor, segment: torch.Tensor, rest: torch.Tensor, joints: torch.Tensor) -> None:
        self.points, self.ever = fill_in_time(points)
        self.segment, self.rest, self.joints = segment, rest, joints
        frames = len(points)
        self.R = torch.eye(3, dtype=points.dtype).repeat(frames, N_SEGMENTS, 1, 1)
        self.p = torch.zeros(frames, N_SEGMENTS, 3, dtype=points.dtype)

    def carried(self, s: int) -> torch.Tensor:
        """Points that tell where segment `s` points: on it, or close to the joint at its far end."""
        on = self.segment == s
        for child, parent in enumerate(SEGMENT_PARENTS):
            if parent == s:
                near = torch.linalg.norm(self.rest - self.joints[child], dim=-1) < NEAR_JOINT_M
                on = on | ((self.segment == child) & near)
        off_joint = torch.linalg.norm(self.rest - self.joints[s], dim=-1) > 0.02
        return on & off_joint & self.ever

    def measured_joint(self, s: int, either_side: bool = False) -> torch.Tensor | None:
        """Mean of the points of segment `s`, or of its parent too, close to its joint, (T, 3); None without any."""
        offset = self.rest - self.joints[s]
        own = (self.segment == s) | (either_side & (self.segment == SEGMENT_PARENTS[s]))
        near = own & (torch.linalg.norm(offset, dim=-1) < NEAR_JOINT_M) & self.ever
        if not bool(near.any()):
            return None
        weight = 1 / (0.01 + torch.linalg.norm(offset[near], dim=-1))
        return torch.einsum("k,tki->ti", weight / weight.sum(), self.points[:, near])


def initial_pose(
    points: torch.Tensor, segment: torch.Tensor, rest: torch.Tensor, joints: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a starting pose for every frame.

    Parameters
    ----------
    points : (T, K, 3) measured, world, metres, NaN where missing
    segment : (K,) segment of each point
    rest : (K, 3) the points in the rest pose
    joints : (22, 3) joints in the rest pose

    Returns
    -------
    R_world_segment : (T, 22, 3, 3)
    root_position : (T, 3)
    """
    chain = _Chain(points, segment, rest, joints)
    _place_trunk(chain)
    default = resting_pose()
    for s in range(1, N_SEGMENTS):
        parent = SEGMENT_PARENTS[s]
        step = joints[s] - joints[parent]
        chain.p[:, s] = chain.p[:, parent] + (chain.R[:, parent] @ step)
        follow = chain.R[:, parent] @ default[s]
        chain.R[:, s] = _turn_segment(chain, s, follow)
    return chain.R, chain.p[:, 0]


def tells_trunk(segment: torch.Tensor, rest: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
    """Return which points (K,) tell where the trunk is: those on it, and those close to hips and shoulders.

    Parameters
    ----------
    segment : (K,) segment of each point
    rest : (K, 3) the points in the rest pose, metres
    joints : (22, 3) joints in the rest pose, metres
    """
    near = torch.linalg.norm(rest - joints[segment], dim=-1) < NEAR_JOINT_M
    return torch.isin(segment, torch.tensor(TRUNK)) | (torch.isin(segment, torch.tensor(BESIDE_TRUNK)) & near)


def _place_trunk(chain: _Chain) -> None:
    """Fit the trunk as one rigid piece; by the pelvis's own points where they suffice, since a trunk bends.

    Where frames show no point that tells it, the whole body counts as the piece.
    """
    used = tells_trunk(chain.segment, chain.rest, chain.joints) & chain.ever
    used = used if bool(used.any()) else chain.ever
    if not bool(used.any()):
        return  # nothing was seen in these frames, and the body stays where it rests
    source, target = chain.rest[used], chain.points[:, used]
    share = _trunk_weights(source, chain.segment[used])
    centre_s, centre_t = share @ source / share.sum(), torch.einsum("k,tki->ti", share, target) / share.sum()
    weight = share.expand(len(target), -1)
    spread = (source - centre_s).expand(len(target), -1, -1)
    rotation = align_directions(spread, target - centre_t[:, None], weight)
    chain.R[:, 0] = rotation
    chain.p[:, 0] = centre_t - rotation @ centre_s
    hips = [chain.measured_joint(s) for s in (1, 2)]
    if hips[0] is not None and hips[1] is not None:
        chain.p[:, 0] = 0.5 * (hips[0] + hips[1])


def _trunk_weights(rest: torch.Tensor, segment: torch.Tensor) -> torch.Tensor:
    """Weights (K,) of the trunk's points (K, 3): little for those off the pelvis, if those on it span a plane."""
    own = rest[segment == 0]
    if len(own) < 3 or torch.linalg.svdvals(own - own.mean(0))[1] < PELVIS_SPAN_M:
        return torch.ones(len(rest), dtype=rest.dtype)
    return torch.where(segment == 0, 1.0, OFF_PELVIS_WEIGHT).to(rest.dtype)


def _turn_segment(chain: _Chain, s: int, follow: torch.Tensor) -> torch.Tensor:
    """Turn segment `s` to its points, and where they leave it free, as `follow` (T, 3, 3) has it."""
    frames = len(follow)
    axes = torch.eye(3, dtype=follow.dtype)
    source = [axes.expand(frames, 3, 3)]
    target = [follow.transpose(-1, -2)]
    weight = [torch.full((frames, 3), FOLLOW_WEIGHT, dtype=follow.dtype)]
    carried = chain.carried(s)
    if bool(carried.any()):
        source.append((chain.rest[carried] - chain.joints[s]).expand(frames, -1, -1))
        target.append(chain.points[:, carried] - chain.p[:, s, None])
        weight.append(torch.ones(frames, int(carried.sum()), dtype=follow.dtype))
    for proximal, distal, far, axis, sign in HINGE_ROWS:
        if proximal == s:
            hinge = _hinge_direction(chain, s, distal, far)
            if hinge is not None:
                source.append(torch.tensor(axis, dtype=follow.dtype).expand(frames, 1, 3))
                target.append(sign * hinge[:, None])
                weight.append(torch.full((frames, 1), HINGE_WEIGHT, dtype=follow.dtype))
    return align_directions(torch.cat(source, 1), torch.cat(target, 1), torch.cat(weight, 1))


def _hinge_direction(chain: _Chain, s: int, distal: int, far: int) -> torch.Tensor | None:
    """Normal of the plane in which a limb bends, (T, 3), as long as the sine of its bend."""
    middle, end = chain.measured_joint(distal, either_side=True), chain.measured_joint(far, either_side=True)
    if middle is None or end is None:
        return None
    upper = middle - chain.p[:, s]
    lower = end - middle
    product = torch.linalg.cross(upper, lower)
    lengths = torch.linalg.norm(upper, dim=-1) * torch.linalg.norm(lower, dim=-1)
    return product / lengths.clamp(min=1e-6)[:, None]
