# SPDX-License-Identifier: Apache-2.0
"""
What the stock rosbridge may do: lists of topics, services and parameters, none of them empty.

For rosbridge an empty list means everything. Its names are compared as a client writes them, so
there is no pattern here that a name could be bent to fit. A topic that is listed may be read *and*
published by any program of this machine: what the page and the motor node believe (`e_stop`,
`motor/state`, `operator/...`) is therefore not among them, nor is a picture, which would fill the
socket. Everything is read at the gateway, which knows who asks.
"""

from collections.abc import Iterable

LARGEST_MESSAGE = 100_000

TOPICS = (
    'cmd_vel', 'odom', 'joint_states', 'battery_state', 'robot_description', 'camera/camera_info',
    'say', 'say/en', 'say/ro', 'say/de', 'play_sound', 'microphone/level', 'client_count')
GLOBAL_TOPICS = ('/diagnostics', '/tf', '/tf_static')
# /rosapi/* is added by rosbridge itself.
SERVICES = ('e_stop_trigger', 'lights/front', 'lights/back', 'speaker/hush', 'camera/snapshot')
# Of stream and speaker; rosapi compares the name without its node to set one, with it to list.
PARAMETERS = ('profile', 'fps', 'volume', 'muted', 'language')


def lists(namespace: str = '') -> dict[str, str]:
    """Return the parameters of rosbridge and rosapi that hold the lists, in their syntax."""
    prefix = f'/{namespace.strip("/")}/' if namespace else '/'
    return {
        'topics_glob': _text([*(prefix + name for name in TOPICS), *GLOBAL_TOPICS]),
        'services_glob': _text(prefix + name for name in SERVICES),
        'params_glob': _text([*PARAMETERS, *(f'*:{name}' for name in PARAMETERS)]),
    }


def _text(names: Iterable[str]) -> str:
    return '[' + ', '.join(names) + ']'
