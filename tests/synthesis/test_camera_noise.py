"""Random cameras: the batched triangulation against ours, what hides what, and statistics of the noise."""

import numpy as np
import pytest
import torch

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.recordings import Camera
from kinefuse.synthesis import camera_noise
from kinefuse.synthesis.batch_triangulation import Rays, project, triangulate
from kinefuse.synthesis.camera_noise import CameraNoise, confidence_of, detect, film, is_hidden, miscalibrated, rig
from kinefuse.synthesis.cameras import DetectorFaults, keypoint_positions
from kinefuse.synthesis.cameras import is_hidden as is_hidden_in_space
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.joint_noise import add_noise
from kinefuse.synthesis.person import demo_person
from kinefuse.vision import triangulation
from kinefuse.vision.preparation import MIN_CONFIDENCE

FRAMES = 48
PERFECT = CameraNoise(
    faults=DetectorFaults(hip_bias_m=0, bias_m=0, jitter_m=0, hidden_dropped=0, dropped=0, outliers=0),
    views=(4, 4),
    swapped=0.0,
    lost=0.0,
    min_confidence=0.0,
    turned_sd_rad=0.0,
    shifted_sd_m=0.0,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def walking() -> tuple[torch.Tensor, np.ndarray]:
    """Return keypoints (T, 26, 3) and joints (T, 22, 3) of somebody who walks, at 25 Hz."""
    person = demo_person()
    motion = walk(person, Walk(rate_hz=25.0)).frames(slice(FRAMES))
    return torch.as_tensor(keypoint_positions(motion, person, np.zeros(0)), dtype=torch.float32), motion.positions


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """Sixteen windows (W, T, 26, 3) of the same steps."""
    return walking()[0].expand(16, -1, -1, -1).contiguous()


def seen_by(views: int, points: torch.Tensor, settings: CameraNoise, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Return calibrated rotations, translations, and what is seen: x, y and weight (W, V, T * 26)."""
    rng = seeded(seed)
    cameras = rig(settings, views, points, rng)
    found = detect(settings, *cameras, points, torch.ones(len(points)), 25.0, rng)
    flat = (part.flatten(2) for part in (found.x, found.y, found.confidence))
    return *miscalibrated(settings, *cameras, rng), *flat


@pytest.mark.parametrize("views", [2, 3, 5])
def test_perfect_cameras_give_exact_points(points: torch.Tensor, views: int) -> None:
    rotation, translation, *seen = seen_by(views, points.double(), PERFECT)
    found, _, used = triangulate(rotation, translation, Rays(*seen), camera_noise.LIMITS)
    known = used.any(1)
    assert float(known.float().mean()) > 0.99
    error = (found - points.double().flatten(1, 2)).norm(dim=-1)[known]
    assert float(error.max()) < 1e-7


@pytest.mark.parametrize("views", [2, 3, 4, 6])
def test_it_agrees_with_our_triangulation(points: torch.Tensor, views: int) -> None:
    rotation, translation, x, y, weight = seen_by(views, points[:4], CameraNoise(), seed=views)
    found, covariance, used = triangulate(rotation, translation, Rays(x, y, weight), camera_noise.LIMITS)
    for window in range(4):
        ours = ours_of(*(part[window] for part in (rotation, translation, x, y, weight)))
        both = np.isfinite(ours.positions[..., 0].ravel()) & used[window].any(0).numpy()
        either = np.isfinite(ours.positions[..., 0].ravel()) | used[window].any(0).numpy()
        assert both.sum() >= 0.99 * either.sum()
        apart = np.linalg.norm(ours.positions.reshape(-1, 3) - found[window].numpy(), axis=-1)[both]
        assert (apart < 1e-3).mean() > 0.97
        same = apart < 1e-3
        sd = np.sqrt(np.trace(ours.covariance.reshape(-1, 3, 3)[both][same], axis1=1, axis2=2))
        our_sd = covariance[window].diagonal(dim1=-2, dim2=-1).sum(-1).sqrt().numpy()[both][same]
        assert 0.6 < np.median(our_sd / sd) < 1.6


def ours_of(
    rotation: torch.Tensor, translation: torch.Tensor, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor
) -> triangulation.Triangulation:
    """Triangulate one window with `kinefuse.vision`, in pixels of a focal length of 1000."""
    size = round(2000 * camera_noise.HALF_WIDTH), round(2000 * camera_noise.HALF_HEIGHT)
    matrix = np.diag([1000.0, 1000.0, 1.0])
    cameras = [
        Camera(name=str(v), size=size, matrix=matrix, distortions=np.zeros(4), R_camera_world=r, translation=t)
        for v, (r, t) in enumerate(zip(rotation.double().numpy(), translation.double().numpy(), strict=True))
    ]
    seen = torch.where(weight > 0, 1.0, torch.nan)
    pixels = 1000.0 * torch.stack([x * seen, y * seen], dim=-1).double().numpy()  # (V, T * K, 2)
    frames = pixels.reshape(len(cameras), -1, len(KEYPOINTS), 2).swapaxes(0, 1)
    trust = weight.double().numpy().reshape(len(cameras), -1, len(KEYPOINTS)).swapaxes(0, 1)
    return triangulation.triangulate(cameras, frames, trust)


def test_one_wild_view_is_left_out(points: torch.Tensor) -> None:
    rotation, translation, x, y, weight = seen_by(4, points.double(), PERFECT)
    x[:, 2, ::5] += 0.2
    found, _, used = triangulate(rotation, translation, Rays(x, y, weight), camera_noise.LIMITS)
    moved = (weight[:, 2] > 0) & ((weight > 0).sum(1) == 4)
    moved[:, torch.arange(x.shape[-1]) % 5 != 0] = False
    assert int(moved.sum()) > 1000
    assert float(used[:, 2][moved].float().mean()) < 0.01
    error = (found - points.double().flatten(1, 2)).norm(dim=-1)[moved]
    assert float(error.nanquantile(0.99)) < 1e-6


def test_two_views_that_contradict_each_other_give_nothing(points: torch.Tensor) -> None:
    rotation, translation, x, y, weight = seen_by(2, points.double(), PERFECT)
    y[:, 0, ::9] += 0.3
    found, covariance, used = triangulate(rotation, translation, Rays(x, y, weight), camera_noise.LIMITS)
    assert float(used[:, :, ::9].float().mean()) < 0.02
    nothing = ~used.any(1)
    assert bool(found[nothing].isnan().all())
    assert bool((confidence_of(covariance)[nothing] == 0).all())


def test_what_is_hidden_in_the_image_is_hidden_in_space() -> None:
    keypoints, joints = walking()
    rotation, translation = rig(CameraNoise(), 8, keypoints[None], seeded(3))
    flat = keypoints.flatten(0, 1).T[None]
    image = (part.unflatten(2, (FRAMES, -1)) for part in project(rotation, translation, flat))
    hidden = is_hidden(*image)[0].numpy()
    centres = -(rotation.transpose(-1, -2) @ translation[..., None])[0, ..., 0].double().numpy()
    exact = np.stack([is_hidden_in_space(centre, keypoints.double().numpy(), joints) for centre in centres])
    assert (hidden == exact).mean() > 0.98
    assert 0.05 < hidden.mean() < 0.4
    assert hidden.mean() == pytest.approx(exact.mean(), abs=0.02)


@pytest.mark.parametrize("views", [2, 5, 8])
def test_a_rig_stands_around_the_person_and_sees_all(points: torch.Tensor, views: int) -> None:
    rotation, translation = rig(CameraNoise(), views, points, seeded())
    eye = torch.eye(3).expand_as(rotation)
    assert torch.allclose(rotation @ rotation.transpose(-1, -2), eye, atol=1e-5)
    assert bool((torch.linalg.det(rotation) > 0).all())
    assert bool((rotation[:, :, 1, 1] < -0.5).all())  # image rows run downwards
    x, y, inverse = project(rotation, translation, points.flatten(1, 2).transpose(1, 2))
    inside = (x.abs() < camera_noise.HALF_WIDTH) & (y.abs() < camera_noise.HALF_HEIGHT) & (inverse > 0)
    assert float(inside.float().mean()) > 0.95


def test_more_cameras_err_less_and_miss_less(points: torch.Tensor) -> None:
    median, missing = [], []
    for views in (2, 4, 8):
        measured, _ = film(CameraNoise(views=(views, views), quality=(1.0, 1.0)), points, seeded())
        error = (measured - points).norm(dim=-1)
        missing.append(float(error.isnan().float().mean()))
        median.append(float(error.nanmedian()))
    assert median[0] > median[1] > median[2]
    assert missing[0] > missing[1] >= missing[2]
    assert missing[2] < 0.001


def test_statistics_of_the_camera_profile(points: torch.Tensor) -> None:
    many = points.repeat(8, 1, 1, 1)
    noisy, confidence = add_noise("camera", many, seeded())
    known = confidence > 0
    error = (noisy - many).norm(dim=-1)
    assert bool((noisy[~known] == 0).all())
    assert bool(((confidence >= 0) & (confidence <= 1)).all())
    assert 0.005 < float((~known).float().mean()) < 0.06
    assert 0.015 < float(error[known].mean()) < 0.03
    assert 0.01 < float(error[known].std()) < 0.05
    sure = confidence > confidence[known].median()
    assert float(error[known & sure].mean()) < 0.85 * float(error[known & ~sure].mean())
    hips, elbows = ([KEYPOINT_INDEX[f"{joint}_{s}"] for s in "lr"] for joint in ("hip", "elbow"))
    assert float(error[..., hips][known[..., hips]].median()) > float(error[..., elbows][known[..., elbows]].median())


def test_confidence_falls_with_the_standard_deviation() -> None:
    sd = torch.tensor([0.0, 0.02, 0.06, torch.nan])
    covariance = sd[:, None, None] ** 2 * torch.eye(3)
    assert confidence_of(covariance).tolist() == pytest.approx([1.0, 0.5, 0.1, 0.0])


def test_left_and_right_are_swapped_as_often_as_told(points: torch.Tensor) -> None:
    settings = CameraNoise(faults=PERFECT.faults, swapped=0.05, lost=0.0, min_confidence=0.0)
    rng = seeded()
    cameras = rig(settings, 4, points, rng)
    found = detect(settings, *cameras, points, torch.ones(16), 25.0, rng)
    true_x, _, _ = project(*cameras, points.flatten(1, 2).transpose(1, 2))
    off = (found.x - true_x.unflatten(2, (FRAMES, -1))).abs() > 1e-4
    ankle, wrist = KEYPOINT_INDEX["ankle_l"], KEYPOINT_INDEX["wrist_l"]
    for joint in (ankle, wrist):
        swapped = off[..., joint][found.confidence[..., joint] > 0]
        assert float(swapped.float().mean()) == pytest.approx(0.05, abs=0.025)
    assert not bool((off[..., ankle] == off[..., wrist]).all())


def test_a_camera_loses_the_person_in_runs(points: torch.Tensor) -> None:
    settings = CameraNoise(faults=PERFECT.faults, lost=0.2, swapped=0.0, min_confidence=0.0)
    rng = seeded()
    found = detect(settings, *rig(settings, 4, points, rng), points, torch.ones(16), 25.0, rng)
    gone = (found.confidence == 0).all(-1)
    assert float(gone.float().mean()) == pytest.approx(0.2, abs=0.07)
    changes = (gone[..., 1:] != gone[..., :-1]).float().mean()
    assert float(changes) < 0.05


def test_missing_points_stay_missing_and_harm_no_other(points: torch.Tensor) -> None:
    gappy = points.clone()
    gappy[:, :5] = torch.nan
    gappy[3] = torch.nan
    measured, _ = film(CameraNoise(views=(6, 6)), gappy, seeded())
    assert bool(measured[:, :5].isnan().all())
    assert bool(measured[3].isnan().all())
    kept = torch.arange(16) != 3
    assert float(measured[kept, 5:].isfinite().float().mean()) > 0.99


def test_same_seed_same_cameras(points: torch.Tensor) -> None:
    first, again = (add_noise("camera", points, seeded(9)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_low_confidence_is_left_out_as_in_preparation() -> None:
    assert CameraNoise().min_confidence == MIN_CONFIDENCE
