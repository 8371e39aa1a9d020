# SPDX-License-Identifier: Apache-2.0
"""Start a node, spin it, end it: the `main` of every avatar node."""

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from avatar_node.params import ParameterProblem


def run(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run one node until SIGINT, SIGTERM or shutdown of its context; return the exit code.

    rclpy itself turns both signals into a shutdown, also where a shell had them ignored.
    `destroy_node` of the node is where it lets go of what it holds; it is always called.
    A ParameterProblem at start is one sentence on stderr and exit code 2.
    """
    rclpy.init(args=args)
    node = None
    try:
        node = make_node()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except ParameterProblem as problem:
        print(f'refused to start: {problem}', file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
