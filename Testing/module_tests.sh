#!/usr/bin/env bash
# Runs the tests of the Slicer module, without Slicer and without a display.
#
#   Testing/module_tests.sh [pytest's arguments]          with PySide6 (Qt 6.7)
#   QT=5 Testing/module_tests.sh [pytest's arguments]     with PySide2 (Qt 5.15, as in the official Slicer builds)
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}
export QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1
whole=$(($# == 0))
[ $# -gt 0 ] || set -- Testing/Module

if [ "${QT:-6}" = 5 ]; then
    # Debian builds PySide2 for its own Python only. Nothing else of its packages may shadow those of the environment.
    system=/usr/lib/python3/dist-packages
    tag=$("$VENV/bin/python" -c 'import sys; print("cpython-%d%d" % sys.version_info[:2])')
    if ! compgen -G "$system/PySide2/QtWidgets.*$tag*.so" >/dev/null; then
        echo "Tests with Qt 5.15 skipped: PySide2 for $("$VENV/bin/python" --version) is not installed" \
            "(Debian 12: apt install python3-pyside2.qtwidgets python3-pyside2.qtuitools)."
        exit 0
    fi
    mkdir -p "$VENV/qt5"
    qt5=$(cd "$VENV/qt5" && pwd)
    ln -sfn "$system/PySide2" "$qt5/PySide2"
    ln -sfn "$system/shiboken2" "$qt5/shiboken2"
    export SLICER_HARNESS_QT=5 PYTHONPATH="$qt5${PYTHONPATH:+:$PYTHONPATH}"
fi

# The bindings of Qt take a new object for one that Qt has deleted at the same address. What a long run leaves behind grows
# with each file, so each has a process of its own.
run() { "$VENV/bin/python" -m pytest -q -p no:xdist "$@"; }

if [ $whole = 0 ]; then
    run "$@"
    exit
fi
failed=()
for part in Testing/Module/test_*.py Testing/Module/*/; do
    [[ $part != *__pycache__* ]] || continue
    status=0
    run "$part" || status=$?
    # 5: no test in it.
    [ $status = 0 ] || [ $status = 5 ] || failed+=("$part")
done
[ ${#failed[@]} = 0 ] || { echo "Failed with Qt ${QT:-6}: ${failed[*]}"; exit 1; }
