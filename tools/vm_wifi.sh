#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpack a real NetworkManager, and what makes access points, beside the system, for tests/vm/test_wifi.py.
#
#   tools/vm_wifi.sh [FOLDER]     FOLDER: default .cache/vm in the project root
#
# Prints the folder on stdout: usr/bin/nmcli, usr/sbin/hostapd ... and the libraries that this machine
# does not have. Nothing is installed. Needs no root. A second call finds the work done.
set -eu

fail() { echo "vm_wifi: $*" >&2; exit 1; }

project=$(cd "$(dirname "$0")/.." && pwd)
cache=${1:-$project/.cache/vm}
PATH=$PATH:/usr/sbin:/sbin
wanted='network-manager wpasupplicant hostapd dnsmasq-base iw wireless-regdb dbus'

for tool in apt-get dpkg-deb flock; do
    command -v "$tool" > /dev/null || fail "$tool is missing (this needs Debian or Ubuntu)"
done
mkdir -p "$cache"
exec 9> "$cache/wifi.lock"
flock 9
if [ -e "$cache/wifi/complete" ]; then
    echo "$cache/wifi"
    exit 0
fi
rm -rf "$cache/wifi" "$cache/wifi-download"
mkdir -p "$cache/wifi" "$cache/wifi-download"
cd "$cache/wifi-download"

# What would be installed is what this machine lacks; what it has is there in the virtual robot, too.
own_lists=''
missing() {
    apt-get -s $own_lists install --no-install-recommends $wanted 2> apt.log | awk '/^Inst/ {print $2}'
}
packages=$(missing)
if [ -z "$packages" ] || ! apt-get -q $own_lists download $packages > apt.log 2>&1; then
    mkdir -p lists/partial archives/partial
    own_lists="-o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/archives"
    apt-get -q $own_lists update > apt.log 2>&1 || fail "no package lists: $(tail -n 1 apt.log)"
    packages=$(missing)
    if [ -n "$packages" ]; then
        apt-get -q $own_lists download $packages > apt.log 2>&1 \
            || fail "cannot download: $(tail -n 1 apt.log)"
    fi
fi
for deb in *.deb; do
    [ -e "$deb" ] && dpkg-deb -x "$deb" "$cache/wifi"
done
cd ..
rm -rf wifi-download
touch wifi/complete
echo "$cache/wifi"
