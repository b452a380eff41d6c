"""Virtual sensors beside real ones: how large, how fast and how still their readings are.

Virtual are those that `kinefuse.synthesis.imus` makes of walking motion capture, of its quiet moments and of the
demonstration's walk; real are two published recordings. Every number is of the length of a vector or a sum over its
axes, so that it does not matter how a sensor was mounted. Writes ``docs/results/virtual_imus.md`` and two figures.

Usage: python tools/compare_imus.py [build/motion.npz]     (reads ``real`` in the folder given by KINEFUSE_DATA)
"""

import datetime
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
from scipy.signal import welch

from imu_signals import (
    QUIET_PEOPLE,
    RATE_HZ,
    SITES,
    WALKERS,
    Pair,
    Source,
    quiet_clips,
    read_opensense,
    read_qmt,
    virtual,
    walking_clips,
)
from kinefuse.conventions import GRAVITY
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.imus import ImuFaults, smoothed
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.prepared import read_prepared

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "results" / "virtual_imus.md"
IMAGES = ROOT / "docs" / "images"

CUTOFFS: Final = (6.0, 8.0, 10.0, 12.0, 15.0, None)
CHOSEN_HZ: Final = 10.0
BANDS: Final = ((0.4, 3.0), (3.0, 6.0), (6.0, 9.0), (9.0, 12.0), (12.0, 20.0))
NOISE_BAND: Final = (30.0, 45.0)
QUIET: Final = {"UI-PRMD": "uiprmd", "CMU": "cmu"}
DRAWN: Final = ("foot", "shank", "thigh", "pelvis", "upper_arm", "forearm")
FORCE, TURN = 0, 1

STEADY: Final = ImuFaults(lost_share=0.0, clock_sd_ppm=0.0)
"""Everything but lost packets, which a spectrum cannot have."""


def spectrum(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the power spectral density summed over axes, windows of two seconds (Welch)."""
    frequency, power = welch(values, RATE_HZ, nperseg=min(200, len(values)), nfft=200, axis=0)
    return frequency, power.sum(axis=1)


def mean_spectrum(pairs: list[Pair], kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over stretches."""
    spectra = [spectrum(pair[kind]) for pair in pairs]
    return spectra[0][0], np.mean([power for _, power in spectra], axis=0)


def band_rms(pairs: list[Pair], kind: int) -> np.ndarray:
    """Return the root mean square (B,) within each of `BANDS`."""
    frequency, power = mean_spectrum(pairs, kind)
    step = frequency[1]
    return np.sqrt([power[(frequency >= low) & (frequency < high)].sum() * step for low, high in BANDS])


def amplitude(pairs: list[Pair], kind: int) -> tuple[float, float, float]:
    """Return RMS (of a force: about its mean vector), 95th percentile and peak of the length; means of stretches."""
    each = []
    for pair in pairs:
        values = pair[kind]
        moving = values - values.mean(axis=0) if kind == FORCE else values
        length = np.linalg.norm(values, axis=1)
        each.append((np.sqrt((moving**2).sum(axis=1).mean()), np.percentile(length, 95), length.max()))
    return tuple(np.mean(each, axis=0))  # type: ignore[return-value]


def slow_peak(pairs: list[Pair]) -> float:
    """Return the peak of the force below `CHOSEN_HZ`, mean of stretches, m/s²."""
    slow = [smoothed(force, RATE_HZ, CHOSEN_HZ) for force, _ in pairs]
    return float(np.mean([np.linalg.norm(force, axis=1).max() for force in slow]))


def stride_s(source: Source) -> float:
    """Return the median duration of a stride, from how the shank's turning repeats."""
    found = []
    for _, rate in source.walks["shank"]:
        main = np.linalg.svd(rate - rate.mean(0), full_matrices=False)[0][:, 0]
        same = np.correlate(main, main, "full")[len(main) :]
        low, high = round(0.8 * RATE_HZ), round(1.8 * RATE_HZ)
        if len(same) > high:
            found.append((low + 1 + same[low:high].argmax()) / RATE_HZ)
    return float(np.median(found))


def decibels_outside(values: np.ndarray, references: list[np.ndarray]) -> np.ndarray:
    """Return by how many dB values lie below (negative) or above the range of the references; zero within."""
    low, high = 20 * np.log10(np.min(references, axis=0)), 20 * np.log10(np.max(references, axis=0))
    level = 20 * np.log10(values)
    return np.minimum(level - low, 0.0) + np.maximum(level - high, 0.0)


def misfit(source: Source, real: list[Source], kind: int, bands: slice) -> tuple[float, float]:
    """Return the mean size and the mean of `decibels_outside` over sites and some of the bands."""
    outside = []
    for site in SITES:
        references = [band_rms(r.walks[site], kind)[bands] for r in real if site in r.walks]
        outside.append(decibels_outside(band_rms(source.walks[site], kind)[bands], references))
    return float(np.abs(outside).mean()), float(np.mean(outside))


def stillest(pair: Pair) -> Pair:
    """Return the second in which the force changes least."""
    width = round(RATE_HZ)
    starts = range(0, len(pair[0]) - width, 10)
    best = min(starts, key=lambda start: float(pair[0][start : start + width].std(axis=0).sum()))
    return pair[0][best : best + width], pair[1][best : best + width]


def rest_row(name: str, pairs: list[Pair], has_gyroscope: bool = True) -> str:
    """One row of the table of sensors at rest."""
    still = [stillest(pair) for pair in pairs if len(pair[0]) >= 1.2 * RATE_HZ]
    size = np.array([np.linalg.norm(force.mean(axis=0)) for force, _ in still])
    cells = [f"{size.mean():.2f}", f"{size.std():.2f}", f"{np.sqrt(np.mean((size - GRAVITY) ** 2)):.2f}"]
    cells += [f"{np.median([force.std(axis=0).mean() for force, _ in still]):.3f}"]
    cells += [f"{1e3 * noise_density(pairs, FORCE):.1f}"]
    turning = [f"{1e3 * np.median([rate.std(axis=0).mean() for _, rate in still]):.1f}"]
    turning += [f"{1e3 * noise_density(pairs, TURN):.2f}"]
    turning += [f"{1e3 * np.median(np.abs([rate.mean(axis=0) for _, rate in still])):.1f}"]
    return f"| {name} | " + " | ".join(cells + (turning if has_gyroscope else ["–"] * 3)) + " |"


def noise_density(pairs: list[Pair], kind: int) -> float:
    """Return the median over sensors of the root of the spectral density of an axis in `NOISE_BAND`, unit/√Hz."""
    low, high = NOISE_BAND
    each = []
    for pair in pairs:
        frequency, power = welch(pair[kind], RATE_HZ, nperseg=min(100, len(pair[kind])), axis=0)
        each.append(np.sqrt(np.median(power[(frequency >= low) & (frequency <= high)], axis=0)).mean())
    return float(np.median(each))


def amplitude_table(sources: list[Source]) -> list[str]:
    """Rows of RMS, 95th percentile and peak, site by site."""
    rows = [
        "| site | source | force RMS | 95 % | peak | peak below 10 Hz | turning RMS | 95 % | peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for site in SITES:
        for source in sources:
            if site in source.walks:
                force, turn = (amplitude(source.walks[site], kind) for kind in (FORCE, TURN))
                cells = [f"{v:.1f}" for v in (*force, slow_peak(source.walks[site]))] + [f"{v:.2f}" for v in turn]
                rows.append(f"| {site} | {source.name} | " + " | ".join(cells) + " |")
    return rows


def band_table(sources: list[Source], kind: int) -> list[str]:
    """Rows of RMS within bands, site by site; a source a column, bands parted by slashes."""
    rows = ["| site | " + " | ".join(source.name for source in sources) + " |", "|---|" + "---|" * len(sources)]
    digits = 1 if kind == FORCE else 2
    for site in SITES:
        cells = [
            " / ".join(f"{v:.{digits}f}" for v in band_rms(s.walks[site], kind)) if site in s.walks else "–"
            for s in sources
        ]
        rows.append(f"| {site} | " + " | ".join(cells) + " |")
    return rows


EXACT: Final = ImuFaults(
    mounting_sd_rad=0.0, place_sd_m=0.0, tissue=0.0, gyro_noise=0.0, gyro_bias_sd=0.0, acc_noise=0.0, acc_bias_sd=0.0,
    clock_sd_ppm=0.0, lost_share=0.0,
)  # fmt: skip
"""Motion capture's own jitter is left."""


def cutoff_table(make: Callable[[float | None, ImuFaults], Source], real: list[Source]) -> list[str]:
    """Rows of how far virtual sensors lie outside of the real ones' range, for each cut-off, on bone and on tissue."""
    rows = [
        "| cut-off | tissue | force to 12 Hz | 12 to 20 Hz | turning to 12 Hz | 12 to 20 Hz |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for cutoff in CUTOFFS:
        for tissue in (0.0, 1.0):
            source = make(cutoff, replace(STEADY, tissue=tissue))
            cells = []
            for kind in (FORCE, TURN):
                for bands in (slice(0, 4), slice(4, 5)):
                    size, mean = misfit(source, real, kind, bands)
                    cells.append(f"{size:.1f} ({mean:+.1f})")
            name = "none" if cutoff is None else f"{cutoff:g} Hz"
            rows.append(f"| {name} | {'yes' if tissue else 'no'} | " + " | ".join(cells) + " |")
    return rows


COLOURS: Final = {"qmt": "#333333", "OpenSense": "#999999"}
STYLES: Final = ("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e")


def colour(name: str, number: int) -> str:
    """Return a colour for the `number`-th source."""
    return COLOURS.get(name, STYLES[number % len(STYLES)])


def draw_spectra(sources: list[Source], path: Path) -> None:
    """Draw power spectral densities, site by site."""
    figure, grid = plt.subplots(2, len(DRAWN), figsize=(16, 6), sharex=True, sharey="row")
    for column, site in enumerate(DRAWN):
        for kind in (FORCE, TURN):
            axes = grid[kind, column]
            for number, source in enumerate(sources):
                if site in source.walks:
                    frequency, power = mean_spectrum(source.walks[site], kind)
                    axes.loglog(frequency[1:], power[1:], color=colour(source.name, number), lw=1.2, label=source.name)
            axes.grid(alpha=0.3)
        grid[FORCE, column].set_title(site.replace("_", " "))
        grid[TURN, column].set_xlabel("Hz")
        grid[FORCE, column].set_ylim(1e-4, 1e2)
        grid[TURN, column].set_ylim(1e-6, 3e1)
    grid[FORCE, 0].set_ylabel("specific force, (m/s²)²/Hz")
    grid[TURN, 0].set_ylabel("angular rate, (rad/s)²/Hz")
    grid[FORCE, 0].legend(fontsize=7, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_signals(sources: list[Source], path: Path) -> None:
    """Draw two seconds of each source: lengths of force and angular rate on foot and thigh."""
    figure, grid = plt.subplots(4, len(sources), figsize=(15, 8), sharex=True, sharey="row")
    for column, source in enumerate(sources):
        for row, (site, kind) in enumerate((s, k) for s in ("foot", "thigh") for k in (FORCE, TURN)):
            pair = source.walks[site][len(source.walks[site]) // 2]
            length = np.linalg.norm(pair[kind][:200], axis=1)
            axes = grid[row, column]
            axes.plot(np.arange(len(length)) / RATE_HZ, length, lw=1.0, color=colour(source.name, column))
            axes.grid(alpha=0.3)
            if column == 0:
                axes.set_ylabel(f"{site}, {'m/s²' if kind == FORCE else 'rad/s'}")
        grid[0, column].set_title(source.name, fontsize=9)
        grid[3, column].set_xlabel("s")
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def every_site(stretches: dict[str, list[Pair]]) -> list[Pair]:
    """All sensors together."""
    return [pair for pairs in stretches.values() for pair in pairs]


def rest_table(real: list[Source], still: list[Source]) -> list[str]:
    """Rows of real and of virtual sensors at rest."""
    return [
        "| sensors | force | its SD | RMS off 9.81 | scatter | density | turning: scatter | density | mean |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(rest_row(source.name, every_site(source.rests), source.name == "qmt") for source in real),
        *(rest_row(source.name, every_site(source.walks)) for source in still),
    ]


def main(prepared: Path) -> None:
    """Write the document and its figures."""
    clips = read_prepared(prepared)
    walks = walking_clips(clips)
    real = [read_qmt(), read_opensense()]
    make = partial(virtual, "virtual", walks)
    raw = virtual("CMU, no low-pass", walks, None, replace(STEADY, tissue=0.0))
    bone = virtual("CMU, on bone", walks, CHOSEN_HZ, replace(STEADY, tissue=0.0))
    skin = virtual("CMU, on tissue", walks, CHOSEN_HZ, STEADY)
    demo = virtual("demo", [walk(demo_person()).frames(slice(480, None))], None, STEADY)
    walking = [*real, bone, skin, demo]
    still = [virtual(f"{name} at rest", quiet_clips(clips, key), CHOSEN_HZ, EXACT) for name, key in QUIET.items()]
    worn = replace(STEADY, mounting_sd_rad=0.0)
    still.append(virtual("UI-PRMD with `ImuFaults`", quiet_clips(clips, QUIET["UI-PRMD"]), CHOSEN_HZ, worn))
    draw_spectra([*real, raw, bone, skin], IMAGES / "virtual_imus_spectra.png")
    draw_signals([*real, bone, skin], IMAGES / "virtual_imus_signals.png")
    strides = ", ".join(f"{source.name} {stride_s(source):.2f}" for source in (*real, skin, demo))
    text = TEXT.format(
        today=datetime.date.today(),
        walkers=", ".join(WALKERS),
        clips=len(walks),
        chosen=CHOSEN_HZ,
        quiet=QUIET_PEOPLE,
        strides=strides,
        amplitude="\n".join(amplitude_table(walking)),
        force="\n".join(band_table(walking, FORCE)),
        turn="\n".join(band_table(walking, TURN)),
        cutoff="\n".join(cutoff_table(make, real)),
        rest="\n".join(rest_table(real, still)),
    )
    OUT.write_text(text, encoding="utf-8")


TEXT: Final = """# Virtual sensors beside real ones

Written by `tools/compare_imus.py` on {today}. Forces are specific forces in m/s², turning is angular rate in rad/s; all
numbers are of vectors' lengths or sums over axes, and so free of how a sensor was mounted.

- **qmt**: 16 raw sensors on one person who walks fast, 37 s of it; loose on thigh, shank and upper arm, as it seems.
- **OpenSense**: 8 Xsens MTw on one person who walks slowly and turns; tight. Its angular rate is derived from the
  device's orientations.
- **CMU**: virtual, {clips} walking clips of {walkers} at 60 Hz, low-pass of {chosen:g} Hz, rigid on the bone or on
  tissue as `ImuFaults` draws it by default.
- **demo**: virtual, the walk of `kinefuse demo`, without a low-pass.

Stride durations, s: {strides}.
Faster walking means larger numbers, so virtual sensors should lie between the two real recordings.

## What follows (from the numbers of 22 November 2026)

- **A low-pass of 10 Hz fits best**, for forces clearly; 12 Hz is as good for turning. Without one, 60 Hz motion capture
  gives four times too much force above 12 Hz; at 6 Hz virtual sensors lack a third of it below 12 Hz.
- **Foot impacts above 12 Hz are lost**: peaks of 45 to 110 m/s² become 39. Below 10 Hz, about all that networks at
  25 Hz see, virtual feet peak between the two real ones.
- **Without tissue, turning is too calm**: on thigh and upper arm of qmt it rings at 8 to 10 Hz, five to twenty times
  stronger than bones turn. Tissue brings virtual sensors in between the tight and the loose recording.
- **Noise** of `ImuFaults` is that of the quieter device for the accelerometer and half of qmt's for the gyroscope; the
  bias of qmt's gyroscopes seems to have been removed before publication. Accelerometers differ most in their bias:
  0.03 m/s² for factory-calibrated MTw, 0.19 for qmt; the default was 0.04 for each axis and is now 0.08.
- **At rest** forces of UI-PRMD scatter 2.5 times as much as real ones, those of CMU 6.5 times, turning of both four
  times. CMU's wrists also shake more than real ones between 6 and 12 Hz.
- The demonstration's trunk shakes too much at 3 to 6 Hz, its head and trunk turn too little.
- Two walkers are few, and cut-off, bias, the pivot of the tissue (4 cm) and the share of it that a sensor takes part in
  were chosen on them. Natural frequencies and damping are a study's of the shank (see `wobble.py`), given to other
  sites with these spectra in view. So this page shows that the model can be made to fit, not that it holds for others.

![Spectra](../images/virtual_imus_spectra.png)

![Two seconds](../images/virtual_imus_signals.png)

## Amplitude while walking

Means over stretches and sides. Force RMS is about its mean vector.

{amplitude}

## RMS in bands

0.4–3 / 3–6 / 6–9 / 9–12 / 12–20 Hz. Force, m/s²:

{force}

Turning, rad/s:

{turn}

## Which low-pass

Mean distance in dB outside of the range of the real recordings over all sites and bands, in brackets its mean with
sign (below zero: virtual sensors are too calm). Where only one recording has a site, the range is one value.

{cutoff}

## At rest

Real sensors on a person who stands or sits; virtual ones in the stillest two seconds of those {quiet} people of a
source who stand stillest. Motion capture without errors shows its own jitter and the person's sway. Columns: mean
length of the force over sensors, its standard deviation, its RMS distance from 9.81; median scatter within the stillest
second; density of the noise of an axis from 30 to 45 Hz, 10⁻³ m/s²/√Hz; the same of turning in 10⁻³ rad/s and
10⁻³ rad/s/√Hz, and its mean at rest (median size).

{rest}
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "motion.npz")
