#!/usr/bin/env bash
# install.sh PYTHON SET-UP [-e]: install unlearnd and what locks/SET-UP.txt names, and nothing else,
# into the environment of PYTHON. Every file is held against its SHA-256. SET-UP is `service` (API,
# dispatcher, command line), `worker`, or `all` (for development); `-e` leaves the code where it is.
# TORCH_INDEX_URL names an index with builds of torch without CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 setup=$2 editable=${3:-}

locked() {
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@"
}

locked -r locks/build.txt
if [ "$setup" != service ]; then
    # pip prefers what the default index has, whose hashes it knows before a download. So a build
    # without CUDA is asked for by name, where pip is told of a place that has one.
    index=(${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"})
    if locked --no-deps "${index[@]}" -r locks/torch-cpu.txt 2>/dev/null; then
        setup=$setup-cpu
    else
        echo "pip finds no build of torch without CUDA that locks/torch-cpu.txt names: the default one follows."
        locked --no-deps "${index[@]}" -r locks/torch.txt
    fi
fi
locked -r "locks/$setup.txt"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    ${editable:+"$editable"} .
