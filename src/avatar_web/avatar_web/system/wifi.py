# SPDX-License-Identifier: Apache-2.0
"""The robot's WiFi: what is in range, what it knows, which of it goes first, joining another."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avatar_web.rates import Bucket
from avatar_web.system import nmcli_output
from avatar_web.system.join_record import JoinRecord
from avatar_web.system.joining import CHANGE_S, Joining
from avatar_web.system.nmcli import Nmcli, NmcliProblem
from avatar_web.system.nmcli_output import Device, Network, Profile
from avatar_web.system.passwords import password_problem

FRESH_S = 2.0
"""Several admins, or one with a quick finger, are answered from one look."""

SCANS_PER_S, MOST_SCANS = 0.1, 2
HIGHEST, LOWEST = 999, -999
"""Of NetworkManager's autoconnect-priority."""


class WifiRefused(RuntimeError):
    """What was asked for makes no sense now: a sentence, and `code` for the page."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Seen:
    """One look at everything."""

    devices: list[Device] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    hidden: int = 0
    known: list[Profile] = field(default_factory=list)

    def for_page(self) -> dict[str, Any]:
        """Return it as JSON."""
        known = {(one.name, one.kind): one.uuid for one in reversed(self.known)}
        return {
            'devices': [{'name': one.name, 'state': one.state} for one in self.devices],
            'networks': [{
                'ssid': one.ssid_hex, 'name': one.name, 'signal': one.signal, 'kind': one.kind,
                'in_use': one.in_use, 'joinable': one.kind in nmcli_output.JOINABLE,
                'password': one.kind in nmcli_output.WITH_PASSWORD,
                'known': known.get((one.name, one.kind), ''),
            } for one in self.networks],
            'hidden': self.hidden, 'known': [asdict(one) for one in self.known]}


class Wifi:
    """NetworkManager by nmcli; NmcliProblem: it does not work; WifiRefused: it makes no sense."""

    def __init__(self, state_dir: Path, say: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._nmcli = Nmcli()
        self.joining = Joining(
            self._nmcli, JoinRecord(state_dir / 'run' / 'wifi_join.json'), say)
        self._clock, self._say = clock, say
        self._seen, self._seen_s = Seen(), float('-inf')
        self._looking = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._scans = Bucket(SCANS_PER_S, MOST_SCANS, clock())

    async def start(self) -> None:
        """Go on with a join that was under way."""
        await self.joining.start()

    async def close(self) -> None:
        """End what runs."""
        await self.joining.close()
        self._nmcli.close()

    async def look(self) -> Seen:
        """Return what there is, at most FRESH_S old."""
        async with self._looking:
            if self._clock() - self._seen_s > FRESH_S:
                self._seen = await self._look()
                self._seen_s = self._clock()
            return self._seen

    async def _look(self) -> Seen:
        run = self._nmcli.run
        devices = nmcli_output.devices(
            await run('-t', '-f', nmcli_output.DEVICE_FIELDS, 'device', 'status'))
        networks, hidden = list[Network](), 0
        if devices:
            networks, hidden = nmcli_output.networks(await run(
                '-t', '-f', nmcli_output.NETWORK_FIELDS, 'device', 'wifi', 'list',
                'ifname', devices[0].name, '--rescan', 'no'))
        table = await run('-t', '-f', nmcli_output.PROFILE_FIELDS, 'connection', 'show')
        details = ''
        if uuids := nmcli_output.wifi_uuids(table):
            details = await run('-t', '-f', nmcli_output.DETAIL_FIELDS, 'connection', 'show',
                                *(word for uuid in uuids for word in ('uuid', uuid)))
        return Seen(devices, networks, hidden, nmcli_output.profiles(table, details))

    async def scan(self) -> None:
        """Have the device look around; the answer is in the lists some seconds later."""
        if not self._scans.take(self._clock()):
            return  # It has just looked.
        devices = (await self.look()).devices
        if not devices:
            raise WifiRefused('no_device', 'this robot has no WiFi device')
        try:
            await self._nmcli.run('device', 'wifi', 'rescan', 'ifname', devices[0].name)
        except NmcliProblem as problem:
            # "not allowed immediately following previous scan": then the lists are new already.
            if 'not allowed' not in str(problem):
                raise
        self._forget_look()

    async def join(
        self, ssid_hex: object, kind: object, password: object, before: Callable[[], None]
    ) -> None:
        """
        Begin to join a network in range. Without a password: one that is known, or open.

        `before` is called before the link may change, once nothing speaks against it any more.
        """
        ssid = nmcli_output.ssid_of(ssid_hex)
        if not ssid:
            raise WifiRefused('request', 'ssid must be the name of a network, in hexadecimal')
        async with self._changing:
            self._refuse_if_busy()
            self._forget_look()
            seen = await self.look()
            if not seen.devices:
                raise WifiRefused('no_device', 'this robot has no WiFi device')
            network = next((one for one in seen.networks
                            if (one.ssid_hex, one.kind) == (ssid.hex(), kind)), None)
            if network is None:
                raise WifiRefused('vanished', 'this network is not in range any more')
            known = [one for one in seen.known
                     if (one.name, one.kind) == (network.name, network.kind)]
            if network.kind not in nmcli_output.JOINABLE and not known or b'\0' in ssid:
                raise WifiRefused(
                    'not_joinable', f'a network of the kind {network.kind} cannot be joined here')
            is_known = bool(known) and password in (None, '')
            if not is_known and (sentence := password_problem(network.kind, password)):
                raise WifiRefused('password', sentence)
            if is_known and known[0].active:
                raise WifiRefused('in_use', 'this network is in use already')
            before()
            if is_known:
                await self.joining.known(seen.devices[0], known[0])
            else:
                await self.joining.new(
                    seen.devices[0], ssid, network.kind, str(password or ''),
                    tuple(one.uuid for one in known))
            self._forget_look()

    async def set_priority(self, uuid: object, priority: object) -> None:
        """Say how much a known network is wanted, compared with others in range."""
        if isinstance(priority, bool) or not isinstance(priority, int) \
                or not LOWEST <= priority <= HIGHEST:
            raise WifiRefused('request', f'priority must be {LOWEST} to {HIGHEST}')
        async with self._changing:
            profile = await self._known(uuid)
            await self._nmcli.run('connection', 'modify', 'uuid', profile.uuid,
                                  'connection.autoconnect-priority', str(priority),
                                  timeout_s=CHANGE_S)
            self._forget_look()

    async def forget(self, uuid: object) -> None:
        """Forget a known network; not the one in use, which would end the link."""
        async with self._changing:
            profile = await self._known(uuid)
            if profile.active:
                raise WifiRefused('in_use', 'this network is in use: join another one first')
            await self._nmcli.run('connection', 'delete', 'uuid', profile.uuid,
                                  timeout_s=CHANGE_S)
            self._say(f'the network {profile.name!r} was forgotten')
            self._forget_look()

    async def _known(self, uuid: object) -> Profile:
        self._refuse_if_busy()
        self._forget_look()
        for profile in (await self.look()).known:
            if profile.uuid == uuid:
                return profile
        raise WifiRefused('gone', 'the robot does not know this network')

    def _refuse_if_busy(self) -> None:
        if self.joining.is_busy:
            raise WifiRefused('busy', 'a network is being joined')

    def _forget_look(self) -> None:
        self._seen_s = float('-inf')


__all__ = ['NmcliProblem', 'Seen', 'Wifi', 'WifiRefused']
