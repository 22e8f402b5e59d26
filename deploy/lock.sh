#!/usr/bin/env bash
# Write locks/: the versions of constraints.txt with the SHA-256 of every file that pip may take, for
# each set-up and, in locks/extras/, for each extra alone. `make lock` runs it. A pin that a lock has
# already stays, unless constraints.txt says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:?name the uv to lock with}
python=${PYTHON:?name a Python 3.11 or later}

hashed() { # hashed NAME ARGUMENTS: write locks/NAME.txt
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command 'make lock' --output-file "locks/$name.txt" "$@"
}

compile() { # the same, with the versions of constraints.txt
    hashed "$@" --constraint constraints.txt
}

extras=$("$python" - <<'PYTHON'
import tomllib
from pathlib import Path

print(*tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"])
PYTHON
)
mkdir -p locks/extras
everything=()
for extra in $extras; do
    everything+=(--extra "$extra")
    compile "extras/$extra" --extra "$extra" pyproject.toml
done
compile service pyproject.toml
compile worker --extra worker --extra tables pyproject.toml
compile all "${everything[@]}" pyproject.toml
compile build - <<<$'hatchling\neditables'
# These tools have an environment of their own, and so versions of their own.
hashed security --group security

# torch is installed alone and first. Its build decides whether the libraries of CUDA follow.
compile torch --no-deps - < <(grep -E '^torch==' constraints.txt)
cuda=$(grep -oE '^(nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+|triton)==' locks/all.txt | tr -d =)
without=(--no-emit-package torch)
for package in $cuda; do
    without+=(--no-emit-package "$package")
done
cp locks/worker.txt locks/worker-cpu.txt
compile worker-cpu "${without[@]}" --extra worker --extra tables pyproject.toml
cp locks/all.txt locks/all-cpu.txt
compile all-cpu "${without[@]}" "${everything[@]}" pyproject.toml
