#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the system packages named in the lists given, where that is allowed; else say how.
#
#   tools/system_packages.sh tools/packages-test.txt tools/packages-vm.txt
#
# Exit code 0: all there. 1: some are missing, and the line that installs them was printed.
set -u

missing=''
for package in $(sed 's/#.*//' "$@"); do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "system packages: this is no Debian or Ubuntu; install what corresponds to:$missing" >&2
    exit 1
fi
as_root=''
if [ "$(id -u)" != 0 ]; then
    as_root='sudo -n'
    if ! sudo -n true 2>/dev/null; then
        echo "system packages are missing; install them by:" >&2
        echo "    sudo apt install$missing" >&2
        exit 1
    fi
fi
echo "installing system packages:$missing"
install() {
    # shellcheck disable=SC2086  # words on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing </dev/null >/dev/null
}
install || { $as_root apt-get update -q </dev/null >/dev/null && install; } || {
    echo "system packages: apt could not install them; try: sudo apt install$missing" >&2
    exit 1
}
