# SPDX-License-Identifier: Apache-2.0
"""
Who may do what: one table of the robot's topics and services, and what is left to an admin.

Each question is answered by None (allowed) or by the reason why not. Names are relative and
without a leading slash. Whether somebody holds the lease, and on what a link they sit, is asked
elsewhere; here it only says which services want to know.
"""

from dataclasses import dataclass

from avatar_web.accounts.identity import Role
from avatar_web.rosbridge.protocol import DRIVE_TOPIC, DRIVE_TYPE, E_STOP

E_STOP_RESET = 'e_stop_reset'
SELF_TEST = 'motor/self_test'

_STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
_TEXT = 'std_msgs/msg/String'
_TRIGGER = 'std_srvs/srv/Trigger'
_SWITCH = 'std_srvs/srv/SetBool'


@dataclass(frozen=True)
class Topic:
    """A topic of the robot: who may see it, who may publish it (None = nobody here)."""

    type: str
    see: Role = Role.VIEWER
    publish: Role | None = None
    state: bool = False
    """Transient-local: a new subscriber gets the last message at once."""


@dataclass(frozen=True)
class Service:
    """A service of the robot and who may call it."""

    type: str
    call: Role


TOPICS = {
    DRIVE_TOPIC: Topic(DRIVE_TYPE, see=Role.DRIVER, publish=Role.DRIVER),
    'e_stop': Topic('std_msgs/msg/Bool', state=True),
    'motor/state': Topic(_STATUS, state=True),
    'odom': Topic('nav_msgs/msg/Odometry'),
    'joint_states': Topic('sensor_msgs/msg/JointState'),
    'battery_state': Topic('sensor_msgs/msg/BatteryState'),
    'camera/camera_info': Topic('sensor_msgs/msg/CameraInfo'),
    'camera/stream_state': Topic(_STATUS, state=True),
    'say': Topic(_TEXT, publish=Role.DRIVER),
    'say/en': Topic(_TEXT, publish=Role.DRIVER),
    'say/ro': Topic(_TEXT, publish=Role.DRIVER),
    'say/de': Topic(_TEXT, publish=Role.DRIVER),
    'play_sound': Topic(_TEXT, publish=Role.DRIVER),
    'speaker/state': Topic(_STATUS, state=True),
    'microphone/level': Topic('std_msgs/msg/Float32'),
    'diagnostics': Topic('diagnostic_msgs/msg/DiagnosticArray'),
    'health': Topic(_STATUS, state=True),
}

SERVICES = {
    E_STOP: Service(_TRIGGER, Role.VIEWER),
    E_STOP_RESET: Service(_TRIGGER, Role.DRIVER),
    'lights/front': Service(_SWITCH, Role.DRIVER),
    'lights/back': Service(_SWITCH, Role.DRIVER),
    'camera/snapshot': Service(_TRIGGER, Role.DRIVER),
    'camera/record': Service(_SWITCH, Role.DRIVER),
    'speaker/hush': Service(_TRIGGER, Role.DRIVER),
    'motor/reconnect': Service(_TRIGGER, Role.ADMIN),
    SELF_TEST: Service(_TRIGGER, Role.ADMIN),
    'motor/confirm_reverse': Service(_SWITCH, Role.ADMIN),
}

GLOBAL = frozenset({'diagnostics', 'tf', 'tf_static', 'rosout', 'parameter_events', 'clock'})
"""Topics that stand outside of any namespace."""


OF_THE_MOTOR_NODE = frozenset({'e_stop', 'motor/state'})
"""What people read to know whether it is stopped, and resets are compared with."""


def is_reserved(name: str) -> bool:
    """Return whether a name belongs to the gateway alone, in whichever namespace it is."""
    return 'operator' in name.split('/')[:-1] or name == 'operator'


def may_drive(role: Role) -> str | None:
    """Return why this role may not take the lease and drive, or None."""
    return _at_least(role, Role.DRIVER, 'driving')


def may_publish(role: Role, topic: str) -> str | None:
    """Return why this role may not publish to `topic`, or None."""
    if is_reserved(topic):
        return f'{topic} belongs to the gateway: publish to {DRIVE_TOPIC}'
    known = TOPICS.get(topic)
    if topic in OF_THE_MOTOR_NODE and role >= Role.ADMIN:
        return f'{topic} is what the motor node says of the emergency stop: nobody else does'
    if known is not None and known.publish is not None:
        return _at_least(role, known.publish, f'publishing to {topic}')
    return _at_least(role, Role.ADMIN, f'publishing to {topic}')


def may_subscribe(role: Role, topic: str) -> str | None:
    """Return why this role may not subscribe to `topic`, or None."""
    if is_reserved(topic):
        return f'{topic} belongs to the gateway: the lease is told by op "lease"'
    known = TOPICS.get(topic)
    return _at_least(role, known.see if known else Role.ADMIN, f'subscribing to {topic}')


def may_call(role: Role, service: str) -> str | None:
    """Return why this role may not call `service`, or None."""
    if is_reserved(service):
        return f'{service} belongs to the gateway'
    known = SERVICES.get(service)
    return _at_least(role, known.call if known else Role.ADMIN, f'calling {service}')


def _at_least(role: Role, needed: Role, what: str) -> str | None:
    if role >= needed:
        return None
    return f'{what} needs the role {needed.word}; you are signed in as {role.word}'
