#!/usr/bin/env bash
# Adds to a virtual environment what the module tests need: the real Slicer without Qt (slicer-core), Qt, and the system
# libraries that both load. `make` calls it when something changed; the engine and its tests do not need it.
#
#   VENV=folder Testing/setup_module_environment.sh      into another environment than .venv
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}
PACKAGES=(slicer-core==5.12.4.0 PySide6-Essentials==6.7.3)
# Qt 6.7.3: newer PySide6 loses references or crashes with Python 3.11 (an exception in an overridden function).
DEBIAN=(libgl1 libegl1 libx11-6 libxkbcommon0 libglib2.0-0 libfontconfig1 libdbus-1-3 fonts-dejavu-core)
LIBRARIES=(libGL.so.1 libEGL.so.1 libX11.so.6 libxkbcommon.so.0 libglib-2.0.so.0 libfontconfig.so.1 libdbus-1.so.3)

stop() {
    printf '\nSet-up of the module tests stopped: %s\n' "$1" >&2
    exit 1
}

missing_libraries() {
    local known library
    known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p)
    for library in "${LIBRARIES[@]}"; do
        grep -qF "$library " <<<"$known" || echo "$library"
    done
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || command -v fc-list >/dev/null || echo "fonts"
}

ensure_libraries() {
    local missing
    missing=$(missing_libraries | tr '\n' ' ')
    [ -z "$missing" ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Debian packages for off-screen windows and views (missing: $missing) ..."
        apt-get install -y -qq --no-install-recommends "${DEBIAN[@]}" >/dev/null ||
            { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${DEBIAN[@]}" >/dev/null; } ||
            stop "apt-get could not install ${DEBIAN[*]}. Install them and call make again."
        missing=$(missing_libraries | tr '\n' ' ')
        [ -z "$missing" ] && return
    fi
    stop "these system libraries are missing: $missing
On Debian: apt install ${DEBIAN[*]}
Then call make again."
}

"$VENV/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' ||
    stop "$VENV has $("$VENV/bin/python" --version); the module tests need Python 3.11 or 3.12, for which Qt 6.7.3 is built.
Name one and make the environment anew: make clean; make PYTHON=python3.12"
ensure_libraries
echo "Installing Slicer without Qt, and Qt, into $VENV (once; 290 MB to download, 1.1 GB on disk) ..."
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "${PACKAGES[@]}" ||
    stop "pip could not install ${PACKAGES[*]}.
Check the network or the package sources (pip config list) and call make again."
touch "$VENV/.module-stamp"
