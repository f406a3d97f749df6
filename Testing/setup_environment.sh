#!/usr/bin/env bash
# Makes .venv with everything that the demo, the tests and the checks need. `make` calls it when something changed.
#
#   PYTHON=python3.12 Testing/setup_environment.sh       choose the interpreter
#   TORCH=torch==2.13.0 Testing/setup_environment.sh     another build of PyTorch, for instance one with CUDA
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
CPU_INDEX=https://download.pytorch.org/whl/cpu
TORCH_VERSION=2.13.0

stop() {
    printf '\nSet-up stopped: %s\n' "$1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

choose_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13}; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>/dev/null || echo missing).
Install one (Debian 12: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11"
}

# Debian ships the module venv without the pip that it installs, in a package of its own.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package=python3-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing the Debian package $package (virtual environments for $1) ..."
        apt-get install -y -qq "$package" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$package" >/dev/null; } ||
            stop "apt-get could not install $package. Install it and call make again."
        "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    fi
    stop "$1 cannot make virtual environments. On Debian and Ubuntu: apt install $package, then call make again."
}

pip_install() {
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# The CPU build first from wherever pip is set up to look (a hospital's mirror, a folder of wheels), then from
# PyTorch's own index. Without its dependencies: those come with the rest, under the constraints.
install_torch() {
    local build=torch==$TORCH_VERSION
    if [ -n "${TORCH:-}" ]; then
        pip_install "$TORCH" || stop "pip could not install $TORCH."
        return
    fi
    [ "$(uname -s)" = Linux ] && build=$build+cpu
    pip_install --no-deps --retries 0 --timeout 20 "$build" 2>/dev/null && return
    pip_install --no-deps --index-url "$CPU_INDEX" "$build" && return
    echo "PyTorch's CPU index cannot be reached; taking the default build of torch $TORCH_VERSION instead (large)."
    pip_install --no-deps "torch==$TORCH_VERSION" ||
        stop "pip found no torch $TORCH_VERSION.
Check the network or the package sources (pip config list) and call make again."
}

if [ ! -x "$VENV/bin/python" ] || ! new_enough "$VENV/bin/python" || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(choose_python)
    ensure_venv_module "$python"
    echo "Making $VENV with $("$python" --version) (once; a minute or a few, most of it PyTorch) ..."
    "$python" -m venv --clear "$VENV" || stop "$python could not make $VENV."
fi

echo "Installing packages into $VENV ..."
pip_install -c constraints.txt setuptools || stop "pip could not install setuptools.
Check the network or the package sources (pip config list) and call make again."
install_torch
pip_install -c constraints.txt --no-build-isolation -e '.[test]' ||
    stop "pip could not install the packages that pyproject.toml names.
Check the network or the package sources (pip config list) and call make again."
touch "$VENV/.stamp"
