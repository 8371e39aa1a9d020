#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Find a Python, then let tools/setup.py do the rest: `sh tools/setup.sh demo`.
# PYTHON names the one to use; otherwise the first of the usual names that is 3.10 to 3.14.
set -u
AVATAR_CALLED_FROM=$PWD
export AVATAR_CALLED_FROM
cd "$(dirname "$0")/.." || exit 1

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

# The environment made before is the quickest answer, and the right one.
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ] && .venv/bin/python -I -S -c '' 2>/dev/null; then
    exec .venv/bin/python -I -S tools/setup.py "$@"
fi

for name in ${PYTHON:-python3 python3.12 python3.13 python3.11 python3.10 python3.14}; do
    if command -v "$name" >/dev/null 2>&1 && suits "$name"; then
        exec "$name" -I -S tools/setup.py "$@"
    fi
done

if [ -n "${PYTHON:-}" ]; then
    echo "setup: PYTHON=$PYTHON is no Python 3.10 to 3.14; name another one, or leave it out" >&2
else
    echo "setup: no Python 3.10 to 3.14 found; on Debian or Ubuntu:" >&2
    echo "    sudo apt install python3 python3-venv" >&2
fi
exit 1
