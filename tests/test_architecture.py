"""A room imports only from rooms to its left, and importing the package is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import kinefuse

ROOMS = (
    {"conventions", "rotations", "errors", "processes"},
    {"recordings", "motion"},
    {"formats", "body"},
    {"vision", "inertial"},
    {"metrics"},
    {"synthesis"},
    {"models"},
    {"training"},
    {"estimators"},
    {"streaming"},
    {"evaluation"},
    {"study"},
    {"report", "viewer"},
    {"cli", "__main__"},
)
PACKAGE = Path(kinefuse.__file__).parent


def room_rank(room: str) -> int:
    return next(rank for rank, rooms in enumerate(ROOMS) if room in rooms)


def imported_rooms(source: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
        parts = [name.split(".") for name in names]
        rooms |= {p[1] for p in parts if p[0] == "kinefuse" and len(p) > 1 and (PACKAGE / p[1]).exists()}
        rooms |= {p[1] for p in parts if p[0] == "kinefuse" and len(p) > 1 and (PACKAGE / f"{p[1]}.py").exists()}
    return rooms


def test_imports_point_to_the_left() -> None:
    checked = 0
    for source in PACKAGE.rglob("*.py"):
        room = source.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in imported_rooms(source) - {room}:
            assert room_rank(other) <= room_rank(room), f"{source.relative_to(PACKAGE)} imports {other}"
            checked += 1
    assert checked > 20


def test_import_is_light() -> None:
    heavy = {"torch", "cv2", "mediapipe", "plotly", "viser", "anny", "xarray", "pandas", "matplotlib"}
    code = f"import sys, kinefuse; print(sorted({heavy!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
