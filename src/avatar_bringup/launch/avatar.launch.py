# SPDX-License-Identifier: Apache-2.0
"""
Start the robot: every process of the table (avatar_bringup/processes.py), and nothing else.

    ros2 launch avatar_bringup avatar.launch.py --show-args

`avatar run`, which the unit calls, looks first whether another copy runs and then becomes this. A
part that dies is started again; one that keeps dying is given up and the rest goes on, but without
motor or gateway everything ends, with an exit code that is not 0. Nothing here orders the start:
each part waits for what it needs. Only what the launch of Humble (1.0) has is used.
"""

import os
import signal
import sys
import threading
import time

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart, OnShutdown
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import EnvironmentVariable, LaunchConfiguration

from avatar_bringup.launching import DELAY_S, Deaths, words_of
from avatar_bringup.lock import EXIT_TAKEN, FD_VARIABLE, Taken
from avatar_bringup.session import Session, place_from_arguments

YES_NO = ['true', 'false']
# After SIGINT, then after SIGTERM: everything has ended within 5 s.
SIGTERM_AFTER_S, SIGKILL_AFTER_S = '2', '2'

ARGUMENTS = (
    DeclareLaunchArgument(
        'sim', default_value='false', choices=YES_NO,
        description='simulated board and camera instead of the real ones'),
    DeclareLaunchArgument(
        'namespace', default_value='',
        description='namespace of every node and topic; empty = none'),
    DeclareLaunchArgument(
        'host', default_value='',
        description='address the page is served at; 0.0.0.0 = everywhere, by HTTPS; empty = what '
                    'gateway.yaml says'),
    DeclareLaunchArgument(
        'port', default_value=EnvironmentVariable('AVATAR_PORT', default_value='8080'),
        description='port of the page; another one moves all other ports by the same distance'),
    DeclareLaunchArgument(
        'source', default_value='auto', choices=['auto', 'topic', 'device'],
        description='where the picture comes from: topic = camera/image_raw of v4l2_camera, '
                    'device = ffmpeg reads the camera itself, auto = what stream.yaml says'),
    DeclareLaunchArgument(
        'rosbridge', default_value='true', choices=YES_NO,
        description='stock rosbridge and rosapi on 127.0.0.1 (port 9090), with allow-lists'),
    DeclareLaunchArgument(
        'use_camera', default_value='true', choices=YES_NO,
        description='the driver of the camera (v4l2_camera), where source is topic'),
    DeclareLaunchArgument(
        'use_picture', default_value='true', choices=YES_NO,
        description='encoder and media server'),
    DeclareLaunchArgument(
        'use_description', default_value='true', choices=YES_NO,
        description='robot_state_publisher'),
    DeclareLaunchArgument(
        'use_odom_tf', default_value='true', choices=YES_NO,
        description='the transform odom -> base_link'),
)


class GivenUp(RuntimeError):
    """The robot cannot be driven any more; launch ends everything and returns 1."""


class Supervision:
    """The parts of one session as launch sees them, and what happens when one ends."""

    def __init__(self, session):
        self.session = session
        self.deaths = {program.name: Deaths() for program in session.programs}
        self.words = {}
        self.failed = False
        self.actions = {program.name: self._action(program) for program in session.programs}
        self._names = {action: name for name, action in self.actions.items()}

    def _action(self, program):
        environment = self.session.environ
        return ExecuteProcess(
            cmd=program.command, name=program.name, output='screen',
            env={**environment, **dict.fromkeys(program.hidden, '')},
            sigterm_timeout=SIGTERM_AFTER_S, sigkill_timeout=SIGKILL_AFTER_S,
            # By launch itself, which keeps its handlers; another action would add some each time.
            respawn=True, respawn_delay=DELAY_S)

    def entities(self):
        """Return what is to be launched; the handlers first, so that they miss nothing."""
        return [
            RegisterEventHandler(OnProcessStart(on_start=self.on_start)),
            RegisterEventHandler(OnProcessExit(on_exit=self.on_exit)),
            RegisterEventHandler(OnProcessIO(on_stdout=self.on_output, on_stderr=self.on_output)),
            RegisterEventHandler(OnShutdown(on_shutdown=self.on_shutdown)),
            *self.actions.values()]

    def on_start(self, event, _context):
        """Write down that a part runs."""
        self.session.parts.started(self._names[event.action], event.pid)

    def on_output(self, event):
        """Remember the last line a part wrote."""
        lines = event.text.decode(errors='replace').strip().splitlines()
        if lines:
            self.words[self._names[event.action]] = lines[-1]

    def on_exit(self, event, context):
        """Let launch start the part again, or give it up."""
        name = self._names[event.action]
        if context.is_shutdown:
            return None
        code = event.returncode
        end = signal.Signals(-code).name if code < 0 else f'exit code {code}'
        words = words_of(end, self.words.pop(name, ''))
        self.session.parts.died(name, words)
        if not self.deaths[name].add(time.monotonic()):
            return None
        self.session.parts.given_up(name, words)
        self.session.tell(f'{name} keeps dying and was given up: {words}')
        if self.session.rows[name].essential:
            self.failed = True
            raise GivenUp(f'without {name} the robot cannot be driven')
        # It is waiting to be started again; this ends the waiting.
        return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))

    def on_shutdown(self, _event, _context):
        """Remember whether somebody wanted the end."""
        if self.failed:
            self.session.gave_up()
        else:
            self.session.ended_well()


def start(context):
    """Return the entities of the whole robot; exit code 78 where another copy runs."""
    arguments = {argument.name: LaunchConfiguration(argument.name).perform(context)
                 for argument in ARGUMENTS}
    session = Session(place_from_arguments(arguments, os.environ), os.environ, say)
    os.environ.pop(FD_VARIABLE, None)
    try:
        session.open()
    except Taken as taken:
        print(f'avatar: {taken}', file=sys.stderr, flush=True)
        sys.exit(EXIT_TAKEN)
    # While the parts load what they need. Whatever waits for something held says so, too.
    threading.Thread(target=look, args=(session,), daemon=True).start()
    return Supervision(session).entities()


def look(session):
    """Tell what else holds what the parts need."""
    for finding in session.findings():
        say(str(finding))


def say(text):
    """Print a line at once."""
    print(text, flush=True)


def generate_launch_description():
    """Return the arguments, and one action that reads the table when they are known."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
