from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from report_examples import flawed, walking

from kinefuse.conventions import COORDINATE_INDEX
from kinefuse.report.tables import comparison_section, motion_ranges, provenance_table, range_of_motion, ranges_section


def test_range_of_a_known_sine() -> None:
    low, high, extent = range_of_motion(np.array([3.0, -2.0, np.nan, 7.5]))
    assert (low, high, extent) == (-2.0, 7.5, 9.5)


def test_excluded_frames_do_not_count() -> None:
    assert range_of_motion(np.array([0.0, 50.0, 1.0]), np.array([False, True, False])) == (0.0, 1.0, 1.0)
    assert np.isnan(range_of_motion(np.array([np.nan]))).all()


@given(arrays(float, 9, elements=st.floats(-180, 180)), st.floats(-90, 90))
@settings(max_examples=30, deadline=None)
def test_range_does_not_depend_on_an_offset(angle: np.ndarray, offset: float) -> None:
    assert range_of_motion(angle + offset)[2] == pytest.approx(range_of_motion(angle)[2], abs=1e-9)


def test_ranges_of_the_walk() -> None:
    ranges = {movement.key: sides for movement, sides in motion_ranges(walking(frames=120))}
    assert ranges["knee_angle"]["r"] == pytest.approx((3.0, 57.0, 54.0), abs=0.3)
    assert ranges["hip_flexion"]["l"][2] == pytest.approx(48.0, abs=0.3)
    assert set(ranges["pelvis_heading"]) == {"c"}


def test_a_limp_shows_as_asymmetry() -> None:
    motion = walking(frames=120)
    angles = motion.angles.copy()
    angles[:, COORDINATE_INDEX["knee_angle_l"]] *= 0.5
    page = ranges_section(replace(motion, angles=angles))
    row = page[page.index("Knee flexion") :].split("</tr>")[0]
    assert "<b>27°</b>" in row
    assert "+27°" in row
    assert "50 %" in row


def test_frames_near_the_singular_position_are_left_out_of_ranges() -> None:
    motion = walking(frames=40)
    angles = motion.angles.copy()
    angles[5, COORDINATE_INDEX["arm_add_r"]] = np.deg2rad(-88.0)
    angles[5, COORDINATE_INDEX["arm_flex_r"]] = np.deg2rad(170.0)
    ranges = {movement.key: sides for movement, sides in motion_ranges(replace(motion, angles=angles))}
    assert ranges["arm_flex"]["r"][1] < 30.0
    assert ranges["arm_add"]["r"][0] == pytest.approx(-88.0)  # the middle angle can be read there


def test_ranges_that_were_not_measured_are_called_so() -> None:
    page = ranges_section(flawed(walking(frames=100)))
    rows = {name: page[page.index(name) :].split("</tr>")[0] for name in ("Wrist flexion", "Knee flexion")}
    assert "inferred" in rows["Wrist flexion"]
    assert "inferred" not in rows["Knee flexion"]


def test_provenance_in_percent() -> None:
    page = provenance_table(flawed(walking(frames=100)))
    row = page[page.index("left shank") :].split("</tr>")[0]
    assert row.replace('<td class="n">', "").split("</td>")[1:5] == ["95 %", "5 %", "0 %", "0 %"]
    assert "10 %" in page[page.index("right forearm") :].split("</tr>")[0]


def test_comparison_escapes_and_folds_small_movements() -> None:
    page = comparison_section(
        {
            "rows": [{"title": "Knee", "left": 1.25, "right": None}, {"title": "<i>", "middle": 2.0, "minor": True}],
            "summary": [("all", "3.0°")],
            "notes": ["A & B"],
        }
    )
    assert "&lt;i&gt;" in page
    assert "A &amp; B" in page
    assert '<td class="n">1.2°</td><td class="n">–</td>' in page
    assert page.index("<details") > page.index("Knee")
