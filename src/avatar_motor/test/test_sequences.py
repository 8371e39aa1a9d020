# SPDX-License-Identifier: Apache-2.0
"""
10 000 random sequences of events against the core, judged by a second opinion.

Never two in control, an emergency stop always wins, nothing moves before neutral, no command
older than its timeout moves anything. The judge knows only what happened and when: it keeps
the whole history and reads the promise off it, without gates, flags or owners of its own core.
"""

import bisect
import math
import os
import random
from dataclasses import dataclass, field, replace

import pytest

from avatar_motor.arbitration import SETTLE_S, Lease, LeaseState, Source
from avatar_motor.drive import DISCARD_S, Board, Drive, Settings
from avatar_motor.e_stop import EmergencyStop
from avatar_motor.limits import Limits
from avatar_motor.protocol import Dialect, Reverse

SEQUENCES = int(os.environ.get('AVATAR_SEQUENCES', '10000'))
SHARES = 8  # so many tests, which can run beside each other
EVENTS = 30
START_S = 1000.0
LIMITS = Limits(0.5, 1.5)
SETTINGS = Settings(limits=LIMITS, reverse=Reverse.INVERTED)
V2 = Board(True, True, True, Dialect.V2)
EPS_S = 1e-6

HELD, FREE, AWAY = LeaseState.HELD, LeaseState.FREE, LeaseState.AWAY
LEASES = [
    Lease(FREE), Lease(HELD, 'ana'), Lease(HELD, 'ana', True), Lease(HELD, 'bob'),
    Lease(AWAY, 'ana'),
]


@dataclass
class Said:
    """One lease, said again and again; or (None) a sleep of the process."""

    lease: Lease | None
    first_s: float  # of a sleep: its begin
    last_s: float  # of a sleep: its end


@dataclass
class Judge:
    """Everything that happened, in order of time."""

    loud: dict[Source, list[float]] = field(default_factory=lambda: {s: [] for s in Source})
    zeros: dict[Source, list[float]] = field(default_factory=lambda: {s: [] for s in Source})
    newest: dict[Source, tuple[float, bool]] = field(default_factory=dict)  # when, may it move
    demands: list[float] = field(default_factory=lambda: [START_S])  # "neutral first"
    script_demands: list[float] = field(default_factory=lambda: [START_S])  # the same, cmd_vel
    triggered_s: float = -math.inf
    leases: list['Said'] = field(default_factory=list)
    discard_until_s: float = 0.0
    silent_from_s: float = START_S + SETTLE_S  # before, not everybody was discovered
    latched: bool = False
    connected: bool = True
    writable: bool = True
    publishers: int = 1
    who: str = ''

    def command(self, source: Source, kind: str, now_s: float) -> None:
        """Note a command: 'go', 'zero' or 'bad'."""
        late = now_s < self.discard_until_s
        if source is Source.OPERATOR and self.who.startswith('both'):
            self.script_demands.append(now_s)  # the holder took over
        if kind == 'zero':
            if not late:
                self.zeros[source].append(now_s)
            self.newest[source] = (now_s, False)
            return
        self.loud[source].append(now_s)
        if not (late and kind == 'go'):
            self.newest[source] = (now_s, kind == 'go')

    def said(self, lease: Lease, now_s: float) -> None:
        """Note a message of the gateway."""
        last = self.leases[-1] if self.leases else None
        if last and last.lease == lease and now_s - last.last_s <= 0.5:
            last.last_s = now_s
        else:
            self.leases.append(Said(lease, now_s, now_s))

    def in_control(self, now_s: float) -> str:
        """Read off the leases who may drive: a holder, 'scripts', 'both NAME', or ''."""
        if self.publishers > 1:
            return ''
        refused_s, alive_s, last = -math.inf, -math.inf, None
        slept_s = -math.inf
        for said in self.leases:
            lease = said.lease
            if last is not None and said.first_s - alive_s > 0.5:  # no gateway in between
                refused_s = max(refused_s, alive_s + 10.0)
                if said.first_s >= refused_s and lease is None:
                    last = None  # gone for good before the sleep
            if lease is None:
                slept_s = said.last_s
                alive_s = slept_s if last is not None else alive_s
                continue
            if lease.state is HELD:
                refused_s = -math.inf
            elif lease.state is AWAY and (last is None or last.state is not AWAY):
                refused_s = max(refused_s, said.first_s + 10.0)
            last, alive_s = lease, said.last_s
        gone = last is None or now_s - alive_s > 0.5
        if gone:
            if last is not None:
                refused_s = max(refused_s, alive_s + 10.0)
            return 'scripts' if now_s >= max(refused_s, START_S + SETTLE_S) else ''
        assert last is not None
        if slept_s >= alive_s:
            return ''
        if last.state is HELD:
            return f'both {last.holder}' if last.allow_cmd_vel else last.holder
        return 'scripts' if last.state is FREE and now_s >= refused_s else ''

    def was_let_go(self, source: Source, now_s: float) -> bool:
        """Tell whether this input was neutral since neutral was last demanded."""
        since_s = self.demands[-1]
        if source is Source.CMD_VEL:
            since_s = max(since_s, self.script_demands[-1])
        if self.zeros[source] and self.zeros[source][-1] >= since_s:
            return True
        silent_s = max(since_s, self.silent_from_s)
        loud = self.loud[source]
        for at_s in [*loud[bisect.bisect_left(loud, silent_s):], now_s]:
            if at_s - silent_s >= 0.3 - EPS_S:
                return True
            silent_s = max(silent_s, at_s)
        return False

    def allows(self, source: Source, now_s: float) -> str:
        """Return why this source must not move the robot now, '' if it may."""
        newest_s, moves = self.newest.get(source, (-math.inf, False))
        who = self.in_control(now_s)
        may = {Source.OPERATOR: who not in ('', 'scripts'),
               Source.CMD_VEL: who == 'scripts' or who.startswith('both')}[source]
        if self.latched:
            return 'emergency stop'
        if not (self.connected and self.writable):
            return 'blocked'
        if not may:
            return f'in control is {who!r}'
        if not moves or now_s - newest_s >= 0.3 + EPS_S:
            return 'no fresh command'
        if not self.was_let_go(source, now_s):
            return 'not neutral first'
        return ''


class World:
    """One sequence: every event goes to the core and to the judge."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now_s = START_S
        self.judge = Judge()
        self.stop = EmergencyStop(False, 0)
        self.drive = Drive(SETTINGS, self.stop, self.now_s)
        self.drive.on_board(V2, self.now_s)
        self.gateway: Lease | None = None
        self.held: dict[Source, float] = {}
        self.moved = 0
        self.test_until_s = -math.inf

    # ---- events

    def command(self, source: Source, kind: str) -> None:
        x, z = {'zero': (0.0, 0.0), 'bad': (self.rng.choice([math.nan, math.inf, 1e308]), 0.0),
                'go': (self.rng.uniform(0.01, 2.0) * self.rng.choice([-1, 1]),
                       self.rng.uniform(-6, 6))}[kind]
        self.judge.command(source, kind, self.now_s)
        self.drive.on_command(source, (x, 0.0, 0.0), (0.0, 0.0, z), self.now_s)
        self.end_test()

    def lease(self, lease: Lease) -> None:
        if self.now_s >= self.judge.discard_until_s:
            self.judge.said(lease, self.now_s)
        self.drive.on_lease(lease, self.now_s)

    def trigger(self) -> None:
        before = self.stop.number
        number = self.drive.trigger(self.now_s)
        assert number >= before
        self.stop.stored()
        self.judge.latched, self.judge.triggered_s = True, self.now_s
        self.end_test()

    def reset(self) -> None:
        if self.stop.latched and not self.drive.reset_refusal(self.now_s):
            assert self.now_s - self.judge.triggered_s >= 1.0 - EPS_S
            for source in (Source.OPERATOR, Source.CMD_VEL):
                loud, zeros = self.judge.loud[source][-1:], self.judge.zeros[source][-1:]
                assert not loud or self.now_s - loud[0] >= 0.3 - EPS_S or zeros >= loud, source
            self.drive.reset(self.now_s)
            self.judge.latched = False
            self.judge.demands.append(self.now_s)

    def board(self, connected: bool) -> None:
        self.drive.on_board(V2 if connected else replace(V2, connected=False), self.now_s)
        if connected and not self.judge.connected:
            self.judge.demands.append(self.now_s)
        self.judge.connected = connected

    def board_reset(self) -> None:
        self.drive.on_board_trouble('the motor board restarted', self.now_s)
        self.judge.demands.append(self.now_s)
        self.end_test()

    def storage(self, writable: bool) -> None:
        self.drive.on_storage('' if writable else 'full', self.now_s)
        if writable and not self.judge.writable:
            self.judge.demands.append(self.now_s)
        self.judge.writable = writable

    def publishers(self, count: int) -> None:
        self.judge.publishers = count
        self.drive.on_publishers(count, self.now_s)

    def sleep(self, late_s: float) -> None:
        """The process slept; what DDS kept arrives right after."""
        self.now_s += late_s
        if self.drive.on_late_pass(late_s, self.now_s):
            self.judge.discard_until_s = self.now_s + DISCARD_S
            self.end_test()
        if late_s > 0.3:
            self.judge.demands.append(self.now_s)
            self.judge.silent_from_s = max(
                self.judge.silent_from_s, self.now_s + min(late_s, SETTLE_S))
            self.judge.leases.append(Said(None, self.now_s - late_s, self.now_s))
        for source in self.held:
            self.now_s += 0.001
            self.command(source, self.rng.choice(['go', 'zero']))

    def self_test(self) -> None:
        if not self.drive.start_self_test(self.now_s):
            self.test_until_s = self.now_s + 6.0

    def end_test(self) -> None:
        """Note whether the self-test ended just now: neutral first after it."""
        if self.test_until_s > -math.inf and self.drive.self_test is None:
            self.judge.demands.append(self.now_s)
            self.test_until_s = -math.inf

    def random_event(self) -> None:
        rng = self.rng
        source = rng.choice([Source.OPERATOR, Source.CMD_VEL])
        kind = rng.random()
        if kind < 0.30:
            self.held[source] = self.now_s
        elif kind < 0.42:
            self.held.pop(source, None)
            self.command(source, 'zero')
        elif kind < 0.50:
            self.held.pop(source, None)
        elif kind < 0.54:
            self.command(source, 'bad')
        elif kind < 0.68:
            self.gateway = rng.choice(LEASES)
            self.lease(self.gateway)
        elif kind < 0.71:
            self.gateway = None
        elif kind < 0.75:
            self.trigger()
        elif kind < 0.82:
            self.reset()
        elif kind < 0.86:
            self.board(rng.random() < 0.7)
        elif kind < 0.88:
            self.board_reset()
        elif kind < 0.90:
            self.storage(rng.random() < 0.7)
        elif kind < 0.93:
            self.publishers(rng.choice([0, 1, 1, 1, 2]))
        elif kind < 0.96:
            self.sleep(rng.choice([0.05, 0.15, 0.25, 0.4, 1.5, 12.0]))
        elif kind < 0.98:
            self.hold_up(rng.choice([0.1, 0.35, 0.45, 1.0]))
        else:
            self.self_test()

    # ---- time and judgement

    def pass_time(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.05
            if self.gateway is not None:
                self.lease(self.gateway)
            for source in self.held:
                self.command(source, 'go')
            self.drive.on_attention(self.now_s, self.now_s)
            self.check()

    def hold_up(self, seconds: float) -> None:
        """The receiver is held up, the loop runs: only the newest is received, at the end."""
        asked_s, end_s = self.now_s, self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.05
            for source in self.held:
                self.judge.loud[source].append(self.now_s)
            self.check()
        for source in self.held:
            self.command(source, 'go')
        self.drive.on_attention(asked_s, self.now_s)

    def check(self) -> None:
        """Step the core, and ask the judge about what it wants."""
        judge = self.judge
        who = judge.in_control(self.now_s)
        # The holder may drive through "scripts are allowed"; scripts begin anew then.
        if who.startswith('both') and judge.who != who:
            judge.script_demands.append(self.now_s)
        if who.removeprefix('both ') != judge.who.removeprefix('both '):
            judge.demands.append(self.now_s)
        judge.who = who
        wanted = self.drive.step(self.now_s)
        self.end_test()
        assert max(abs(wanted.efforts.left), abs(wanted.efforts.right)) <= 255
        if wanted.source is Source.SELF_TEST:
            assert self.now_s < self.test_until_s and not judge.latched
            assert judge.connected and judge.writable and judge.publishers <= 1
            return
        assert abs(wanted.velocity.speed_mps) <= LIMITS.max_speed_mps
        assert abs(wanted.velocity.turn_radps) <= LIMITS.max_turn_radps
        if wanted.efforts.is_zero:
            assert wanted.wire == (0, 0)
            return
        self.moved += 1
        why_not = judge.allows(wanted.source, self.now_s)
        assert why_not == '', f'{wanted.source.value} moves the robot: {why_not}'

    def must_drive(self) -> None:
        """A robot that never moves keeps every promise: see that this one still obeys."""
        self.held.clear()
        self.board(True)
        self.storage(True)
        self.publishers(1)
        self.gateway = Lease(HELD, 'zoe')
        self.pass_time(1.2)
        self.reset()
        self.pass_time(0.1)
        self.command(Source.OPERATOR, 'zero')
        self.command(Source.OPERATOR, 'go')
        before = self.moved
        self.check()
        assert self.moved > before, f'does not drive any more: {self.drive.step(self.now_s).why}'


def run(seed: int) -> int:
    """Run one sequence; return in how many steps it moved."""
    world = World(random.Random(seed))
    world.check()
    if world.rng.random() < 0.8:
        world.pass_time(SETTLE_S + 0.5)
    for _ in range(EVENTS):
        world.random_event()
        world.check()
        world.pass_time(world.rng.choice([0.0, 0.05, 0.1, 0.35]))
        if world.rng.random() < 0.01:
            world.pass_time(10.5)
    world.must_drive()
    return world.moved


@pytest.mark.parametrize('share', range(SHARES))
def test_random_sequences(share):
    moved, seeds = 0, range(share, SEQUENCES, SHARES)
    for seed in seeds:
        try:
            moved += run(seed)
        except AssertionError as problem:
            raise AssertionError(f'sequence {seed}: {problem}') from problem
    assert moved > 5 * len(seeds), f'only {moved} moving steps: these sequences show little'
