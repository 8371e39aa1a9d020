# SPDX-License-Identifier: Apache-2.0
"""The gateway's metrics as Prometheus text."""

from typing import TYPE_CHECKING

from avatar_web.driving.lease import State

if TYPE_CHECKING:
    from avatar_web.hub import Hub


def text(hub: 'Hub') -> str:
    """Return all metrics of the gateway."""
    report, now = hub.record, hub.now()
    lines: list[str] = []

    def add(name: str, kind: str, doc: str, *samples: tuple[str, float]) -> None:
        lines.append(f'# HELP avatar_{name} {doc}')
        lines.append(f'# TYPE avatar_{name} {kind}')
        lines.extend(f'avatar_{name}{labels} {value:.10g}' for labels, value in samples)

    add('clients', 'gauge', 'Connected WebSockets.', ('', len(hub.clients)))
    add('lease_held', 'gauge', '1 while somebody holds the lease.',
        ('', hub.control.lease.state is State.HELD))
    add('board_connected', 'gauge', '1 while the motor node has its board.', ('', hub.ready()))
    add('motor_seen', 'gauge', '1 while the motor node is heard.', ('', hub.motor.is_seen(now)))
    add('commands_total', 'counter', 'Commands handed on to the motor node.',
        ('', report.commands))
    add('commands_refused_total', 'counter', 'Commands refused, by reason.',
        *((f'{{why="{why}"}}', count) for why, count in sorted(report.refused.items())))
    add('stops_total', 'counter', 'Stops the gateway made or saw, by reason.',
        *((f'{{why="{why}"}}', count) for why, count in sorted(report.stops.items())))
    for name, doc, histogram in (
        ('round_trip_seconds', 'Round trips of pings to all clients.', report.round_trip),
        ('loop_lateness_seconds', 'How late the event loop was.', report.lateness),
    ):
        add(name, 'summary', doc,
            *((f'{{quantile="{q / 100:g}"}}', histogram.percentile_s(q)) for q in (50, 95, 99)))
        lines.append(f'avatar_{name}_count {histogram.count}')
    add('topic_messages_dropped_total', 'counter', 'Messages that slow readers lost.',
        ('', sum(client.wire.outbox.dropped for client in hub.clients.values())))
    add('subscriptions', 'gauge', 'ROS subscriptions made for clients.',
        ('', hub.topics.subscriptions))
    for name, doc, samples in hub.health.samples(now):
        add(name, 'gauge', doc, *samples)
    return '\n'.join(lines) + '\n'
