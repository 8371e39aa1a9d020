# SPDX-License-Identifier: Apache-2.0
"""The table of processes and the command lines made of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from avatar_bringup.processes import (
    GATEWAY_PARTS,
    Device,
    Place,
    Process,
    command,
    parameter_file,
    table,
)

SIM = Place(Path('/state'), sim=True, port=8090)
ROBOT = Place(Path('/state'), sim=False)
ROS = Place(Path('/state'), sim=False, ros=True)


def names(place: Place) -> list[str]:
    return [row.name for row in table(place)]


def test_the_robot_has_no_simulated_part() -> None:
    assert names(SIM) == [
        'fake_board', 'motor', 'gateway', 'mediamtx', 'sim_camera', 'stream', 'health']
    assert names(ROBOT) == ['motor', 'gateway', 'mediamtx', 'stream', 'health']


def test_what_needs_ros_runs_only_where_it_is() -> None:
    of_ros = ['rosbridge', 'rosapi', 'robot_state_publisher', 'odom_tf']
    assert names(ROS) == [*names(ROBOT), 'camera', *of_ros]
    assert names(replace(ROS, sim=True)) == [*names(SIM), *of_ros]
    added = [row for row in table(ROS) if row.needs_ros]
    assert [row.name for row in added] == ['camera', *of_ros]
    assert not any(row.essential for row in added)


def test_the_camera_has_one_owner() -> None:
    def owners(place: Place) -> list[str]:
        return [row.name for row in table(place) if Device.CAMERA in row.devices]

    assert owners(ROS) == ['camera']
    assert owners(replace(ROS, source='device')) == ['stream']
    assert owners(SIM) == []


@pytest.mark.parametrize('place, camera', [
    (SIM, True), (ROBOT, False), (ROS, True), (replace(ROS, source='device'), True),
    (replace(ROS, without=('camera', 'sim_camera')), False),
    (replace(ROS, without=('stream', 'mediamtx')), False),
    (replace(SIM, without=('camera', 'sim_camera')), False)])
def test_the_page_shows_a_picture_where_there_is_a_camera(place: Place, camera: bool) -> None:
    gateway = next(row for row in table(place) if row.name == 'gateway')
    assert gateway.parameters.get('camera', False) is camera


def test_what_is_left_out_is_not_in_the_table() -> None:
    less = names(replace(ROS, without=('rosbridge', 'odom_tf')))
    assert less == [name for name in names(ROS) if name not in ('rosbridge', 'odom_tf')]


def test_a_namespace_is_every_nodes() -> None:
    words = command(Process('motor', 'avatar_motor', 'motor'), ('python',), (), 'robot')
    assert words[-2:] == ['-r', '__ns:=/robot']


def test_without_a_picture_the_robot_still_drives() -> None:
    assert [row.name for row in table(SIM) if not row.essential] == [
        'mediamtx', 'sim_camera', 'stream', 'health']


def test_the_media_server_is_told_every_port_and_the_host_where_one_is_asked_for() -> None:
    rows = [next(r for r in table(p) if r.name == 'mediamtx')
            for p in (ROBOT, Place(Path('/state'), sim=True, host='::1', port=8090))]
    assert rows[0].arguments == (
        '--state-dir', '/state', '--gateway', '8080', '--media', '8189', '--rtsp', '8554',
        '--webrtc', '8889', '--api', '9997', '--inner', '9998', '--rosbridge', '9090')
    assert rows[1].arguments[2:6] == ('--host', '::1', '--gateway', '8090')


def test_who_sees_which_secret() -> None:
    seen = {row.name: row.secrets for row in table(SIM) if row.secrets}
    assert seen == {'gateway': ('AVATAR_DEMO_TOKEN', 'AVATAR_MEDIA_SECRET'),
                    'stream': ('AVATAR_MEDIA_SECRET',)}


def test_reverse_is_confirmed_of_the_fake_board_only() -> None:
    motors = [next(r for r in table(place) if r.name == 'motor') for place in (SIM, ROBOT)]
    assert motors[0].parameters == {
        'state_dir': '/state', 'port': '/state/sim/ttyBOARD', 'reverse_confirmed': True}
    assert motors[1].parameters == {'state_dir': '/state'}


def test_the_gateway_has_the_port_and_a_host_only_where_one_is_asked_for() -> None:
    place = Place(Path('/state'), sim=True, host='::1', port=8090)
    gateways = [next(r for r in table(p) if r.name == 'gateway') for p in (SIM, place)]
    inner = {'webrtc_port': 8899, 'api_port': 10007, 'inner_port': 10008, 'parts': GATEWAY_PARTS}
    assert gateways[0].parameters == {
        'state_dir': '/state', 'port': 8090, 'camera': True, 'manages_machine': False} | inner
    assert gateways[1].parameters == gateways[0].parameters | {'host': '::1'}


def test_only_beside_a_simulated_robot_the_machine_is_left_alone_for_good() -> None:
    robot = next(r for r in table(Place(Path('/state'), sim=False)) if r.name == 'gateway')
    # Not named: the configuration of the robot decides.
    assert 'manages_machine' not in robot.parameters


def test_the_stream_node_knows_the_ports_of_the_media_server() -> None:
    stream = next(r for r in table(SIM) if r.name == 'stream')
    assert stream.parameters == {'state_dir': '/state', 'rtsp_port': 8564, 'api_port': 10007}


def test_health_judges_the_computer_only_where_it_is_the_robots() -> None:
    healths = [next(r for r in table(place) if r.name == 'health') for place in (SIM, ROBOT)]
    assert healths[0].parameters == {
        'state_dir': '/state', 'gateway_port': 8090, 'is_robot': False}
    assert healths[1].parameters == {'state_dir': '/state', 'gateway_port': 8080}


def test_a_node_gets_its_name_and_its_files_in_order() -> None:
    row = Process('motor', 'avatar_motor', 'motor')
    assert command(row, ('python', '/lib/motor'), (Path('/a.yaml'), Path('/b.yaml'))) == [
        'python', '/lib/motor', '--ros-args', '--disable-external-lib-logs',
        '-r', '__node:=motor', '--params-file', '/a.yaml', '--params-file', '/b.yaml']


def test_what_is_no_node_gets_its_arguments_only() -> None:
    row = Process('fake_board', 'avatar_motor', 'fake_board', ('--state-dir', '/s'), is_node=False)
    assert command(row, ('python', '/lib/fake_board')) == [
        'python', '/lib/fake_board', '--state-dir', '/s']


@pytest.mark.parametrize(
    'value', ['on', 'true', '8080', '', 'a: b', "it's", '"quoted"', '#', 'ä ț', True, 3, 0.25])
def test_a_parameter_keeps_its_value_and_type(value: object) -> None:
    row = Process('n', 'p', 'e', parameters={'x': value})
    assert yaml.safe_load(parameter_file(row)) == {'/**': {'ros__parameters': {'x': value}}}
