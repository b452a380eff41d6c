#!/usr/bin/env bash
# Compares kinefuse with OpenSim itself (make opensim-check). OpenSim gets an environment of its own, since its NumPy is
# newer than ours. Files and signs are checked against the scaled models and trials in the folder given by KINEFUSE_DATA;
# without it only the files are. Writes docs/results/opensim.md and the table in docs/joint-angles.md.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3.11}"
venv=.venv-opensim
build=build/opensim

if [ ! -e "$venv/.installed" ] || [ constraints-opensim.txt -nt "$venv/.installed" ]; then
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints-opensim.txt opensim
    touch "$venv/.installed"
fi

data="$(.venv/bin/python -c '
import sys; sys.path.insert(0, "tests")
from conftest import data_root
folder = data_root()
print(folder.resolve() if folder else "")')"
mkdir -p "$build"
status=0
.venv/bin/python tools/opensim_check_ours.py prepare "$build" ${data:+"$data"}
# From within the build folder, since OpenSim leaves its log where it is started.
(cd "$build" && "../../$venv/bin/python" ../../tools/opensim_check.py . ${data:+"$data"}) || status=1
if [ -n "$data" ]; then
    .venv/bin/python tools/opensim_check_ours.py compare "$build" "$data" || status=1
fi
if [ "$status" = 0 ]; then echo "All checks against OpenSim passed."; else echo "Some checks against OpenSim FAILED."; fi
exit "$status"
