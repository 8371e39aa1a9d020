# SPDX-License-Identifier: Apache-2.0
"""
Joining a network, and going back to the one before if it does not come up within JOIN_S.

The link this is asked over may be the one that changes, so nothing here waits for the browser: the
guard is a task of the gateway, and its attempt is written down for a gateway that comes after.
Until it has come up once, NetworkManager does not join the new network by itself: a robot that is
switched off in the middle starts in the old one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avatar_web.system import join_record, nmcli_output
from avatar_web.system.join_record import JOIN_S, Attempt, JoinRecord
from avatar_web.system.nmcli import Nmcli, NmcliProblem
from avatar_web.system.nmcli_output import Device, Profile
from avatar_web.system.passwords import secret_of, security_words

GRACE_S = 3.0
"""nmcli itself ends after JOIN_S; if it does not, it is ended."""

CHANGE_S = 15.0
BACK_AFTER_S = (0.0, 5.0, 15.0, 30.0, 60.0)
"""The old network may be out of reach for a while, too. NetworkManager tries beyond that."""

LOOK_S = 1.0


@dataclass(frozen=True)
class Told:
    """
    What the page is told: joining, returning, up, back (in `back_in`) or lost; `code` says why.

    Codes are those of NmcliProblem, and `restarted`: the machine was, in the middle of it.
    """

    state: str
    name: str
    code: str = ''
    back_in: str = ''


class Joining:
    """One attempt at a time; `clock` is that of Attempt.began_s."""

    def __init__(
        self, nmcli: Nmcli, record: JoinRecord, say: Callable[[str], None],
        clock: Callable[[], float] = join_record.boot_time_s,
    ) -> None:
        self._nmcli, self._record, self._say, self._clock = nmcli, record, say, clock
        self._task: asyncio.Task[None] | None = None
        self._until_s = 0.0
        self.told: Told | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether an attempt is under way."""
        return self._task is not None and not self._task.done()

    def for_page(self) -> dict[str, Any] | None:
        """Return what the page is told."""
        told = self.told
        if told is None:
            return None
        left_s = max(0.0, self._until_s - self._clock()) if told.state == 'joining' else 0.0
        return {'state': told.state, 'name': told.name, 'code': told.code,
                'back_in': told.back_in, 'left_s': round(left_s, 1)}

    async def start(self) -> None:
        """Go on with what a gateway before this one began."""
        attempt = await _thread(self._record.read)
        if attempt is not None:
            self._say(f'the network {attempt.name!r} was being joined when the gateway ended')
            self._begin(attempt, self._go_on(attempt))

    async def close(self) -> None:
        """Leave it as it is; what is written down says how to go on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def known(self, device: Device, profile: Profile) -> None:
        """Begin to join a network the robot knows."""
        await self._write_and_begin(Attempt(
            profile.uuid, profile.name, device.name, device.uuid, False, self._clock(),
            join_record.boot_id()), b'')

    async def new(
        self, device: Device, ssid: bytes, kind: str, password: str, replaces: tuple[str, ...]
    ) -> None:
        """Begin to join another network; NmcliProblem if not even its profile can be made."""
        name = nmcli_output.shown(ssid)
        said = await self._nmcli.run(
            'connection', 'add', 'type', 'wifi', 'con-name', name, 'ifname', device.name,
            'ssid', ssid, 'connection.autoconnect', 'no', *security_words(kind),
            timeout_s=CHANGE_S)
        uuid = nmcli_output.added_uuid(said)
        if not uuid:
            raise NmcliProblem('failed', 'nmcli did not say what it added')
        try:
            await self._write_and_begin(Attempt(
                uuid, name, device.name, device.uuid, True, self._clock(),
                join_record.boot_id(), replaces), secret_of(kind, password))
        except OSError:
            await self._remove(uuid)
            raise

    async def _write_and_begin(self, attempt: Attempt, secret: bytes) -> None:
        await _thread(lambda: self._record.write(attempt))
        self._say(f'joining the network {attempt.name!r}')
        self._begin(attempt, self._join(attempt, secret))

    def _begin(self, attempt: Attempt, work: Any) -> None:
        self._until_s = self._clock() + attempt.left_s(self._clock())
        self.told = Told('joining', attempt.name)
        self._task = asyncio.create_task(work)

    # ------------------------------------------------------------------ the guard

    async def _join(self, attempt: Attempt, secret: bytes) -> None:
        passwd_file = ('passwd-file', '/dev/stdin') if secret else ()
        try:
            await self._nmcli.run(
                '--wait', str(round(JOIN_S)), 'connection', 'up', 'uuid', attempt.uuid,
                'ifname', attempt.device, *passwd_file, timeout_s=JOIN_S + GRACE_S, secret=secret)
        except NmcliProblem as problem:
            await self._go_back(attempt, problem.code, str(problem))
        else:
            await self._keep(attempt)

    async def _go_on(self, attempt: Attempt) -> None:
        if attempt.boot_id != join_record.boot_id():
            # NetworkManager has joined what it joins at a start, which is not this.
            if attempt.is_new:
                await self._remove(attempt.uuid)
            await self._end(Told('back', attempt.name, 'restarted'))
            return
        # Its nmcli ended with the gateway before; NetworkManager may have all it needs.
        while attempt.left_s(self._clock()) > 0:
            if await self._is_up(attempt):
                await self._keep(attempt)
                return
            await asyncio.sleep(LOOK_S)
        await self._go_back(attempt, 'timeout', 'it did not come up')

    async def _keep(self, attempt: Attempt) -> None:
        code = ''
        if attempt.is_new:
            try:
                await self._nmcli.run(
                    'connection', 'modify', 'uuid', attempt.uuid, 'connection.autoconnect', 'yes',
                    timeout_s=CHANGE_S)
                for uuid in attempt.replaces:
                    await self._remove(uuid)
            except NmcliProblem as problem:
                code = problem.code
                self._say(f'the network {attempt.name!r} is up, but only until the next start: '
                          f'{problem}')
        await self._end(Told('up', attempt.name, code))

    async def _go_back(self, attempt: Attempt, code: str, why: str) -> None:
        self._say(f'the network {attempt.name!r} did not come up ({code}: {why}); going back')
        self.told = Told('returning', attempt.name, code)
        if attempt.is_new:
            await self._remove(attempt.uuid)
        for pause_s in BACK_AFTER_S:
            await asyncio.sleep(pause_s)
            device = await self._device(attempt)
            if device is not None and device.uuid not in ('', attempt.uuid) \
                    and device.state.startswith('connected'):
                # The old one, or another one NetworkManager knows and found.
                name = await self._name_of(device.uuid)
                await self._end(Told('back', attempt.name, code, name))
                return
            with contextlib.suppress(NmcliProblem):
                if not attempt.old_uuid:
                    await self._nmcli.run('connection', 'down', 'uuid', attempt.uuid)
                    break
                await self._nmcli.run(
                    '--wait', str(round(JOIN_S)), 'connection', 'up', 'uuid', attempt.old_uuid,
                    timeout_s=JOIN_S + GRACE_S)
                name = await self._name_of(attempt.old_uuid)
                await self._end(Told('back', attempt.name, code, name))
                return
            if not attempt.old_uuid:
                break
        state = 'lost' if attempt.old_uuid else 'back'
        if state == 'lost':
            self._say('the network before it cannot be joined either; NetworkManager goes on '
                      'trying what it knows')
        await self._end(Told(state, attempt.name, code))

    async def _end(self, told: Told) -> None:
        self.told = told
        await _thread(self._record.clear)
        self._say(f'network {told.name!r}: {told.state}' + (
            f', in {told.back_in!r} again' if told.back_in else ''))

    # ------------------------------------------------------------------ questions

    async def _device(self, attempt: Attempt) -> Device | None:
        try:
            text = await self._nmcli.run(
                '-t', '-f', nmcli_output.DEVICE_FIELDS, 'device', 'status')
        except NmcliProblem:
            return None
        return next((device for device in nmcli_output.devices(text)
                     if device.name == attempt.device), None)

    async def _is_up(self, attempt: Attempt) -> bool:
        device = await self._device(attempt)
        return (device is not None and device.uuid == attempt.uuid
                and device.state.startswith('connected'))

    async def _name_of(self, uuid: str) -> str:
        with contextlib.suppress(NmcliProblem):
            text = await self._nmcli.run(
                '-t', '-f', nmcli_output.DETAIL_FIELDS, 'connection', 'show', 'uuid', uuid)
            return nmcli_output.ssid_in(text)
        return ''

    async def _remove(self, uuid: str) -> None:
        with contextlib.suppress(NmcliProblem):
            await self._nmcli.run('connection', 'delete', 'uuid', uuid, timeout_s=CHANGE_S)


async def _thread(job: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, job)
