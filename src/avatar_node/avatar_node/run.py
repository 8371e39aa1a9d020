# SPDX-License-Identifier: Apache-2.0
"""Start a node, spin it, end it: the `main` of every avatar node."""

import gc
import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from avatar_node.params import ParameterProblem

WAKE_S = 1.0
SWITCH_INTERVAL_S = 0.0005


def be_quick() -> None:
    """
    Let no part of this process hold up another; to be called when all is set up.

    A thread that is woken gets the interpreter within SWITCH_INTERVAL_S, and what is there now
    is never looked at again by the garbage collector (a full collection takes 20 to 100 ms).
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()


def run(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Run one node until SIGINT, SIGTERM or shutdown of its context; return the exit code.

    rclpy itself turns both signals into a shutdown, also where a shell had them ignored.
    `destroy_node` of the node is where it lets go of what it holds; it is always called.
    A ParameterProblem at start is one sentence on stderr and exit code 2. A node that ended
    itself because a part of it failed says so by an attribute `failed`: exit code 1.
    """
    # Without this Python's own handler would also raise KeyboardInterrupt, in the middle of
    # whatever runs, a constructor that has started threads included. Not ignored, because one
    # that comes before rclpy listens must end us, too.
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    rclpy.init(args=args)
    if interrupts:
        rclpy.try_shutdown()
        return 0
    node = None
    try:
        executor = SingleThreadedExecutor()
        node = make_node()
        executor.add_node(node)
        be_quick()
        while rclpy.ok():
            # Not `spin`: a signal may wake it just before the context counts as shut down, and
            # it would then wait for a message that never comes.
            executor.spin_once(timeout_sec=WAKE_S)
    except ExternalShutdownException:
        pass
    except RuntimeError:  # RCLError is one
        if rclpy.ok():
            raise
        # A signal ended the context under the hands of whoever was using it.
    except ParameterProblem as problem:
        print(f'refused to start: {problem}', file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return int(getattr(node, 'failed', False))
