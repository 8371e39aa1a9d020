#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unpack a stock kernel of this distribution, beside the system, for the virtual robot of tests/vm.
#
#   tools/vm_kernel.sh [FOLDER]     FOLDER: default .cache/vm in the project root
#
# Prints the folder on stdout: boot/vmlinuz-VERSION, lib/modules/VERSION, bin/busybox. Needs no
# root. A second call finds the work done. AVATAR_VM_KERNEL=VERSION asks for a certain kernel.
set -eu

fail() { echo "vm_kernel: $*" >&2; exit 1; }
say() { echo "vm_kernel: $*" >&2; }

project=$(cd "$(dirname "$0")/.." && pwd)
cache=${1:-$project/.cache/vm}
PATH=$PATH:/usr/sbin:/sbin

if [ -e "$cache/kernel/complete" ]; then
    echo "$cache/kernel"
    exit 0
fi

[ "$(uname -s) $(uname -m)" = 'Linux x86_64' ] || fail 'only Linux x86-64 has the virtual robot'
for tool in apt-get apt-cache dpkg-deb depmod flock; do
    command -v "$tool" > /dev/null || fail "$tool is missing (this needs Debian or Ubuntu: apt install kmod)"
done
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9     # two test runs at once: the second waits and finds the work done
if [ -e "$cache/kernel/complete" ]; then
    echo "$cache/kernel"
    exit 0
fi
rm -rf "$cache/kernel" "$cache/download"
mkdir -p "$cache/kernel" "$cache/download"
cd "$cache/download"

# The machine's own package lists where it has them, otherwise lists of our own (no root needed).
own_lists=''
known() { apt-cache $own_lists show "$1" > /dev/null 2>&1; }
image() {
    if [ -n "${AVATAR_VM_KERNEL:-}" ]; then
        echo "linux-image-$AVATAR_VM_KERNEL"
        return
    fi
    for meta in linux-image-amd64 linux-image-generic; do   # Debian, Ubuntu
        apt-cache $own_lists depends "$meta" 2> /dev/null \
            | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
    done | head -n 1
}
fetch() { apt-get -q $own_lists download "$@" > apt.log 2>&1; }

package=$(image)
if [ -z "$package" ] || ! known busybox-static || ! fetch "$package"; then
    say 'fetching package lists'
    mkdir -p lists/partial archives/partial
    own_lists="-o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/archives"
    apt-get -q $own_lists update > apt.log 2>&1 || fail "no package lists: $(tail -n 1 apt.log)"
    package=$(image)
    [ -n "$package" ] || fail 'the package lists have no linux-image-amd64 and no linux-image-generic'
    say "fetching $package"
    fetch "$package" || fail "cannot download $package: $(tail -n 1 apt.log)"
fi
version=${package#linux-image-}
# Some distributions ship the modules in packages of their own.
for part in "linux-modules-$version" "linux-modules-extra-$version" busybox-static; do
    if known "$part"; then
        fetch "$part" || fail "cannot download $part: $(tail -n 1 apt.log)"
    fi
done

say "unpacking $version"
for deb in *.deb; do
    dpkg-deb -x "$deb" "$cache/kernel"
done
cd "$cache/kernel"
[ -e lib ] || ln -s usr/lib lib     # where /lib is a link the packages say /usr/lib
[ -e bin ] || ln -s usr/bin bin
[ -x bin/busybox ] || fail 'the package busybox-static has no busybox'
[ -r "boot/vmlinuz-$version" ] || fail "$package has no boot/vmlinuz-$version"
[ -d "lib/modules/$version" ] || fail "$package has no lib/modules/$version"
# The first modules are loaded before anything could decompress them.
find -L "lib/modules/$version" -name '*.ko.xz' -exec unxz {} +
find -L "lib/modules/$version" -name '*.ko.zst' -exec zstd -dq --rm {} +
depmod -b . "$version"
cd ..
rm -rf download
echo "$version" > kernel/complete
echo "$cache/kernel"
