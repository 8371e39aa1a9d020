#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First thing in the virtual robot after its init: make the root the tests run in, start the agent.
#   start.sh PYTHON AGENT MODULE...
# That root is the files of this machine once more, but cached (the one of the init is not, and
# Python on it ten times slower) and with a layer in memory on top, so that anything may be
# written and nothing arrives outside.
set -e
python=$1 agent=$2
shift 2
mkdir -p /run/avatar/lower /run/avatar/layer /run/avatar/root
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose avatar.root /run/avatar/lower
mount -t tmpfs layer /run/avatar/layer
mkdir /run/avatar/layer/upper /run/avatar/layer/work
mount -t overlay overlay /run/avatar/root \
    -o xino=off,lowerdir=/run/avatar/lower,upperdir=/run/avatar/layer/upper,workdir=/run/avatar/layer/work
for part in proc sys dev; do
    mount --rbind /$part /run/avatar/root/$part
done
mount --bind /run /run/avatar/root/run
mkdir -p /run/avatar/root/lib/modules /run/avatar/home
mount --bind /lib/modules /run/avatar/root/lib/modules
for module in "$@"; do
    modprobe "$module"
done
udevadm settle
exec chroot /run/avatar/root "$python" -IS "$agent" /dev/virtio-ports/avatar.agent
