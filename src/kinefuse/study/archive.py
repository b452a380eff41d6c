"""All results of a study in one small file, for those who add a method of their own to what others have computed.

A result is kept in the numbers of `scored.Scored`, repetitions averaged, with the key of what it depends on; curves are
left out. Settings that are alike for an estimator share one result.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.metrics.groups import GROUPS
from kinefuse.study.cells import Cell, failed_cell, write_arrays
from kinefuse.study.plan import FULL, seen_of, sees
from kinefuse.study.scored import GROUP_METRICS, MOVEMENTS, Scored, scored

Result = Scored | Cell
"""What a study has of one estimator on one window under one setting: numbers, or a cell, which may be a failure."""

_TEXTS: Final = ("setting", "estimator", "window", "subject", "activity", "failure", "key")
_PARTS: Final = ("rmse", "rom_error", "range", "r2")
_MEASURES: Final = tuple((metric, group) for metric in GROUP_METRICS for group in GROUPS)
_NAMES: Final = (
    tuple(movement.name for movement in MOVEMENTS),
    tuple(f"{metric} {group}" for metric, group in _MEASURES),
    tuple(f"{part} {coordinate}" for part in _PARTS for coordinate in COORDINATES),
)
"""What the numbers of a row are, in their order."""

_ROUNDING: Final = 11
"""Binary digits of 24 that are left out: the numbers keep an eight-thousandth, and the file is half as large."""


def write_archive(path: Path, results: Iterable[Result]) -> None:
    """Write results as ``.npz``; see `cells.write_arrays`.

    Parameters
    ----------
    results : of any settings and estimators; those without a key, to be computed again, are left out

    Raises
    ------
    KinefuseError
        If it cannot be written.
    """
    rows = [_numbers_of(result) for result in _once(results)]
    told = [row for row in rows if isinstance(row, Scored)]
    failed = [row for row in rows if isinstance(row, Cell)]
    arrays = {name: np.array([getattr(row, name, "") for row in (*told, *failed)], dtype=str) for name in _TEXTS}
    arrays["names"] = np.array([name for part in _NAMES for name in part])
    arrays["repetitions"] = np.array([row.repetitions for row in told], dtype=int)
    arrays["error_variance"] = _rounded([row.error_variance for row in told])
    arrays["seconds"] = _rounded([row.seconds for row in told])
    arrays["numbers"] = _rounded([_row(row) for row in told]).reshape(len(told), len(arrays["names"]))
    write_arrays(path, arrays)


def read_archive(path: Path) -> list[Result]:
    """Return the results of a file of `write_archive`, failures as cells.

    Raises
    ------
    KinefuseError
        If there is no such file, it is damaged or no archive, or it has other numbers than this version.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        texts = [dict(zip(_TEXTS, row, strict=True)) for row in zip(*(arrays[n].tolist() for n in _TEXTS), strict=True)]
        names = tuple(arrays["names"].tolist())
    except FileNotFoundError:
        raise KinefuseError(f"{path}: there is no such file; check the name.") from None
    except Exception as problem:  # whatever is wrong with a foreign or damaged file
        raise KinefuseError(f"{path}: is no results.npz of `kinefuse study`, or it is damaged ({problem}).") from None
    count = len(arrays["repetitions"])
    width = sum(len(part) for part in _NAMES)
    if names != tuple(name for part in _NAMES for name in part) or arrays["numbers"].shape != (count, width):
        raise KinefuseError(f"{path}: holds other numbers than this version of kinefuse has; take its own version.")
    done = [_scored(texts[n], arrays, n) for n in range(count)]
    return [*done, *(replace(failed_cell(**{k: t[k] for k in _TEXTS[:-1]}), key=t["key"]) for t in texts[count:])]


def by_key(results: Iterable[Result]) -> dict[str, Result]:
    """Return results by their key; of two of one key that of more repetitions."""
    found: dict[str, Result] = {}
    for result in results:
        if result.key and (result.key not in found or result.repetitions > found[result.key].repetitions):
            found[result.key] = result
    return found


def _once(results: Iterable[Result]) -> list[Result]:
    """Return those with a key, one for all settings that are alike for its estimator: that of most repetitions."""
    settings = {setting.name: setting for setting in FULL}
    best: dict[tuple[object, ...], Result] = {}
    for result in results:
        setting = settings.get(result.setting)
        seen = result.setting if setting is None else seen_of(setting, sees(result.estimator))
        place = (result.estimator, result.window, seen)
        if result.key and (place not in best or result.repetitions > best[place].repetitions):
            best[place] = result
    return sorted(best.values(), key=lambda result: (result.setting, result.estimator, result.window))


def _numbers_of(result: Result) -> Result:
    return scored(result) if isinstance(result, Cell) and result.repetitions else result


def _rounded(values: Sequence[float] | Sequence[np.ndarray]) -> np.ndarray:
    """Return single precision without its last `_ROUNDING` binary digits; NaN and infinity stay."""
    single = np.array(values, dtype=np.float32)
    bits = single.view(np.uint32) + np.uint32(1 << (_ROUNDING - 1)) & np.uint32(-1 << _ROUNDING & 0xFFFFFFFF)
    return np.where(np.isfinite(single), bits.view(np.float32), single)


def _row(result: Scored) -> np.ndarray:
    groups = [result.groups[measure] for measure in _MEASURES]
    return np.concatenate([result.movements, groups, *(result.coordinates[part] for part in _PARTS)])


def _scored(texts: dict[str, str], arrays: dict[str, np.ndarray], n: int) -> Scored:
    numbers = arrays["numbers"][n].astype(float)
    movements, groups, coordinates = np.split(numbers, np.cumsum([len(part) for part in _NAMES])[:-1])
    none = np.zeros((0, len(COORDINATES)))
    return Scored(
        **{name: texts[name] for name in _TEXTS if name != "failure"},
        repetitions=int(arrays["repetitions"][n]),
        movements=movements,
        groups=dict(zip(_MEASURES, groups.tolist(), strict=True)),
        error_variance=float(arrays["error_variance"][n]),
        coordinates=dict(zip(_PARTS, np.split(coordinates, len(_PARTS)), strict=True)),
        seconds=float(arrays["seconds"][n]),
        time=np.zeros(0),
        estimate=none,
        truth=none,
    )
