#!/usr/bin/env bash
# Runs every benchmarks/bench_*.py and writes docs/results/speed.md. Peers are installed in an environment of their own
# (.venv-bench) without their user interfaces; where that fails, only kinefuse is measured.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3.11}"
bench=.venv-bench
out=docs/results/speed.md

if [ ! -e "$bench/.installed" ]; then
    "$python" -m venv "$bench"
    pip=("$bench/bin/python" -m pip install --quiet --disable-pip-version-check)
    # Pose2Sim asks for OpenSim, Qt and OpenVINO, which its triangulation never imports: hence --no-deps.
    if "${pip[@]}" "numpy<2.3" scipy pandas opencv-python-headless rtoml toml tqdm anytree c3d matplotlib numba "jax<0.8" &&
        "${pip[@]}" --no-deps pose2sim==0.10.49 aniposelib==0.8.0; then
        touch "$bench/.installed"
    else
        echo "The peers could not be installed; only kinefuse is measured." >&2
    fi
fi
if [ -e "$bench/.installed" ]; then
    export BENCH_PYTHON="$PWD/$bench/bin/python"
fi

if [ -z "${KINEFUSE_DATA:-}" ] && [ -d ../shared/data ]; then
    export KINEFUSE_DATA=../shared/data
fi

report="$(mktemp)"
trap 'rm -f "$report"' EXIT
{
    echo "# Speed"
    echo
    echo "Written by \`benchmarks/run.sh\` (\`make bench\`) on $(date -u +%Y-%m-%d): $(nproc) cores," \
        "$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), Python $(.venv/bin/python -c 'import platform; print(platform.python_version())')," \
        "load average $(cut -d' ' -f1 /proc/loadavg) before the run."
    if [ -n "${BENCH_PYTHON:-}" ]; then
        echo "Peers, in an environment of their own: $("$bench/bin/python" -c '
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in ("pose2sim", "aniposelib")))').
"
    fi
    for script in benchmarks/bench_*.py; do
        echo "\`$script\`" >&2
        .venv/bin/python "$script"
        echo
    done
} >"$report"
mkdir -p "$(dirname "$out")"
cp "$report" "$out"
cat "$out"
