from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.inertial.sampling import measure_sampling, single_step


def test_even_stamps_lose_nothing() -> None:
    sampling = measure_sampling(np.arange(101) / 100.0)
    assert sampling.rate_hz == pytest.approx(100.0)
    assert (sampling.lost, sampling.gaps, sampling.samples) == (0, 0, 101)
    assert sampling.duration_s == pytest.approx(1.0)
    assert sampling.is_even


def test_known_losses_are_counted() -> None:
    time = np.delete(np.arange(100) / 50.0, [10, 11, 12, 60])
    sampling = measure_sampling(time)
    assert (sampling.lost, sampling.gaps) == (4, 2)
    assert sampling.longest_gap_s == pytest.approx(4 / 50.0)
    assert sampling.lost_fraction == pytest.approx(0.04)


@pytest.mark.parametrize("early_s", [2e-6, 1e-3])
def test_packets_right_before_the_next_do_not_set_the_rate(early_s: float) -> None:
    time = np.arange(3000) / 100.0
    late = np.arange(5, 2999, 6)
    time[late] = time[late + 1] - early_s
    assert single_step(np.diff(time)) == pytest.approx(0.01, rel=1e-6)
    assert measure_sampling(time).lost_fraction < 0.2


def test_single_row() -> None:
    sampling = measure_sampling(np.array([3.0]))
    assert np.isnan(sampling.rate_hz)
    assert sampling.lost == 0


def test_random_stamps_are_uneven() -> None:
    time = np.cumsum(np.random.default_rng(0).uniform(0.001, 0.02, 500))
    assert not measure_sampling(time).is_even


@given(seed=st.integers(0, 1000), share=st.floats(0.0, 0.5), rate=st.sampled_from([25.0, 60.0, 100.0, 1000.0]))
@settings(max_examples=30, deadline=None)
def test_rate_survives_heavy_loss_and_jitter(seed: int, share: float, rate: float) -> None:
    rng = np.random.default_rng(seed)
    kept = rng.random(600) > share
    kept[[0, -1]] = True
    time = (np.arange(600) / rate + rng.uniform(-0.02, 0.02, 600) / rate)[kept]
    sampling = measure_sampling(time)
    assert sampling.rate_hz == pytest.approx(rate, rel=0.02)
    assert sampling.lost == (~kept).sum()
    assert single_step(np.diff(time)) == pytest.approx(1 / rate, rel=0.02)


def test_real_bluetooth_loss(data: Path) -> None:
    folder = data / "real" / "xsens_dot_lowerbody" / "Original_XsensDot_Data_Realtime"
    lost = {}
    for path in sorted(folder.glob("*.csv")):
        lines = path.read_text(errors="replace").splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("PacketCounter"))
        column = lines[start].split(",").index("SampleTimeFine")
        ticks = [float(line.split(",")[column]) for line in lines[start + 1 :] if line.strip()]
        sampling = measure_sampling(np.array(ticks) * 1e-6)
        lost[path.name.split("_")[0]] = (sampling.lost, sampling.gaps)
        assert sampling.rate_hz == pytest.approx(60.0, rel=1e-3)
    assert lost["LFemur"] == (157, 138)
    assert lost["LTibia"] == lost["RFemur"] == (0, 0)
