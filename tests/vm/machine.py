# SPDX-License-Identifier: Apache-2.0
"""The virtual robot: a stock kernel in QEMU over the root file system of this machine.

One `VirtualRobot` is one machine: boot it, plug USB devices in and out while it runs, start
programs in it and read what they say, cut its power. It needs no root and no KVM; without KVM it
is about ten times slower than the machine it runs on, so it shows behaviour, never times.
Everything here has a time limit, and ends only what it started.

What it can have, each tried: serial adapters (`chardevs`, `plug_serial`), a camera
(`modules=['vivid']`), a sound card whose playback is heard at its other end
(`modules=['snd-aloop']`), a USB sound card (`qemu=['-audiodev', 'none,id=sound']`, then
`plug('card', 'usb-audio', audiodev='sound', bus='usb.0')`), WiFi (`modules=['mac80211_hwsim']`),
a bad network (`modules=['sch_netem']`), and power cuts (`disks=[image]`, `power_cut`).
"""

import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.vm.guest import Guest, GuestProcess
from tests.vm.qmp import Qmp

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent

# Drivers of devices this robot does not have, found by udev at every boot: seconds saved.
NOT_LOADED = (
    'kvm_amd,kvm_intel,psmouse,ahci,sr_mod,sg,iTCO_wdt,i2c_i801,lpc_ich,i6300esb,pcspkr,evdev,'
    'serio_raw,aesni_intel,sha1_ssse3,sha256_ssse3,sha512_ssse3'
)
# A machine that hangs at any point is gone after this time, whatever happens to the tests.
LIFE_S = 1200


class Unavailable(Exception):
    """This machine cannot run a virtual robot; the text says what is missing."""


def kernel_folder() -> Path:
    """Return the folder of the unpacked kernel, fetching it the first time (a minute at most)."""
    for tool, package in (('qemu-system-x86_64', 'qemu-system-x86'), ('udevadm', 'udev')):
        if not shutil.which(tool, path=f'{os.environ["PATH"]}:/usr/sbin:/sbin'):
            raise Unavailable(f'{tool} is not installed: apt install {package}')
    if importlib.util.find_spec('virtme') is None:
        raise Unavailable('virtme-ng is not installed: pip install -r requirements-vm.txt')
    if any(c.isspace() for c in f'{PROJECT}{sys.executable}'):
        raise Unavailable(f'a kernel command line cannot name a folder with a space: {PROJECT}')
    try:
        done = subprocess.run(
            [PROJECT / 'tools' / 'vm_kernel.sh'], capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        raise Unavailable('tools/vm_kernel.sh: nothing within 300 s') from None
    if done.returncode:
        raise Unavailable((done.stderr.strip() or 'tools/vm_kernel.sh failed').splitlines()[-1])
    return Path(done.stdout.strip())


class VirtualRobot:
    """One machine from power on to power off.

    `chardevs` are unix sockets by name; the program that connects to `socket_path(name)` is the
    device behind a serial adapter. `disks` are image files, /dev/vda and so on inside, that
    outlive a power cut. `qemu` are further arguments (a sound card, a network).
    """

    def __init__(
        self,
        kernel: Path,
        *,
        chardevs: Sequence[str] = (),
        modules: Sequence[str] = (),
        disks: Sequence[Path] = (),
        qemu: Sequence[str] = (),
        memory: str = '1G',
        cpus: int = 1,
    ) -> None:
        self._kernel = kernel
        self._modules = modules
        # Short: the name of a unix socket has at most 108 characters.
        self._folder = Path(tempfile.mkdtemp(prefix='avatar-vm-'))
        self._console: deque[str] = deque(maxlen=400)
        self._memory, self._cpus = memory, cpus
        self._qemu = [
            # New enough for the wheels of PyPI (x86-64-v2), old enough to be emulated quickly;
            # with a random generator, or Python would wait for entropy.
            *['-cpu', 'Nehalem,+rdrand', '-nodefaults'],
            *['-pidfile', str(self._folder / 'qemu.pid')],
            *['-qmp', f'unix:{self.socket_path("qmp")},server=on,wait=off'],
            *['-fsdev', 'local,id=avatar,path=/,security_model=none,readonly=on,multidevs=remap'],
            *['-device', 'virtio-9p-pci,fsdev=avatar,mount_tag=avatar.root'],
            *['-chardev', f'socket,id=agent,path={self.socket_path("agent")},server=on,wait=off'],
            *['-device', 'virtio-serial-pci,id=agents'],
            *['-device', 'virtserialport,bus=agents.0,chardev=agent,name=avatar.agent'],
            *['-device', 'qemu-xhci,id=usb'],
        ]
        for name in chardevs:
            path = self.socket_path(name)
            self._qemu += ['-chardev', f'socket,id={name},path={path},server=on,wait=off']
        for number, disk in enumerate(disks):
            self._qemu += ['-drive', f'file={disk},if=none,id=disk{number},format=raw']
            self._qemu += ['-device', f'virtio-blk-pci,drive=disk{number}']
        self._qemu += qemu
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self.guest: Guest | None = None
        self.boot_s = 0.0

    def __enter__(self) -> 'VirtualRobot':
        try:
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def socket_path(self, name: str) -> Path:
        """Return where QEMU listens for the host's end of `name`."""
        return self._folder / f'{name}.sock'

    def boot(self, timeout_s: float = 120.0) -> None:
        """Switch on and wait for the agent; AssertionError with the console if it never comes."""
        version = (self._kernel / 'complete').read_text().strip()
        start = [HERE / 'start.sh', sys.executable, HERE / 'agent.py', *self._modules]
        command = [
            *['timeout', '--kill-after=5', str(LIFE_S)],
            *[sys.executable, '-m', 'virtme.commands.run'],
            *['--kimg', self._kernel / 'boot' / f'vmlinuz-{version}', '--mods', 'auto'],
            *['--busybox', self._kernel / 'bin' / 'busybox', '--force-9p', '--disable-kvm'],
            *['--memory', self._memory, '--cpus', str(self._cpus), '--show-boot-console'],
            *['-a', f'module_blacklist={NOT_LOADED}', '-a', 'mitigations=off'],
            *['-a', 'random.trust_cpu=on'],
            # Where udev and the kernel look for modules, empty on a machine that is a container.
            *['--overlay-rwdir', '/lib'],
            *['--script-sh', 'exec sh ' + shlex.join(map(str, start))],
            *['--qemu-opts', *self._qemu],
        ]
        began = time.monotonic()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # QEMU opens it several times over: a file would be garbled
            stderr=subprocess.STDOUT,
            cwd='/',
            env={**os.environ, 'HOME': str(self._folder), 'TMPDIR': str(self._folder)},
            start_new_session=True,
        )
        threading.Thread(target=self._note_console, args=(self._process,), daemon=True).start()
        deadline = began + timeout_s
        self._qmp = Qmp(self._connect('qmp', deadline), deadline - time.monotonic())
        self.guest = Guest(self._connect('agent', deadline))
        if not self.guest.wait_ready(deadline - time.monotonic()):
            raise AssertionError(f'no boot within {timeout_s} s; the console:\n{self.console()}')
        self.boot_s = time.monotonic() - began

    def _connect(self, name: str, deadline: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        assert self._process is not None
        while True:
            try:
                connection.connect(str(self.socket_path(name)))
                return connection
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f'QEMU did not start:\n{self.console()}') from None
                time.sleep(0.05)

    def console(self, lines: int = 40) -> str:
        """Return the newest lines of the machine's console."""
        return '\n'.join(list(self._console)[-lines:])

    def _note_console(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._console.append(line.decode(errors='replace').rstrip())

    # Programs inside

    def spawn(self, *argv: object, env: dict[str, str] | None = None) -> GuestProcess:
        """Start a program inside, in the environment of the tests, with folders of its own."""
        assert self.guest is not None, 'not booted'
        inside = {
            **os.environ,
            'HOME': '/run/avatar/home',
            'ROS_LOG_DIR': '/run/avatar/home/log',
            'AVATAR_STATE_DIR': '/run/avatar/home/state',
            'PYTHONUNBUFFERED': '1',
            **(env or {}),
        }
        return self.guest.spawn([str(word) for word in argv], inside)

    def run(self, *argv: object, timeout_s: float = 30.0) -> str:
        """Run a program inside to its end; return its output. AssertionError if it failed."""
        process = self.spawn(*argv)
        code = process.wait(timeout_s)
        assert code == 0, f'{shlex.join(map(str, argv))}: code {code}: {process.text()}'
        return process.text()

    def sh(self, script: str, timeout_s: float = 30.0) -> str:
        """Run a shell script inside."""
        return self.run('sh', '-c', script, timeout_s=timeout_s).strip()

    # Hardware

    def plug(self, device: str, driver: str, **options: Any) -> None:
        """Plug a device in, as `-device driver,id=device,...` would."""
        assert self._qmp is not None, 'not booted'
        self._qmp.execute('device_add', driver=driver, id=device, **options)

    def plug_serial(self, device: str, *, chardev: str, serial: str) -> None:
        """Plug a USB serial adapter in, whose other end is the chardev's socket."""
        self.plug(device, 'usb-serial', chardev=chardev, serial=serial, bus='usb.0')

    def unplug(self, device: str) -> None:
        """Pull a device out, without a word before."""
        assert self._qmp is not None, 'not booted'
        self._qmp.execute('device_del', id=device)
        self._qmp.wait_event('DEVICE_DELETED', device=device)

    def power_cut(self) -> None:
        """Take the power away at this moment (SIGKILL to QEMU; nothing inside hears of it)."""
        assert self._process is not None, 'not booted'
        os.kill(int((self._folder / 'qemu.pid').read_text()), signal.SIGKILL)
        self._process.wait(timeout=10)

    def close(self) -> None:
        """Switch off, however it stands, and remove what it left."""
        if self.guest is not None:
            self.guest.close()
        if self._process is not None and self._process.poll() is None:
            try:
                self.power_cut()  # its parents reap it, and end
            except (OSError, ValueError, subprocess.TimeoutExpired):  # not that far, or stuck
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(timeout=10)
        if self._qmp is not None:
            self._qmp.close()
        shutil.rmtree(self._folder, ignore_errors=True)
