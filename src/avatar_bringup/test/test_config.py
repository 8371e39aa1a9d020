# SPDX-License-Identifier: Apache-2.0
"""The parameter files: every parameter of every node, with its default and a comment."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from avatar_bringup.processes import Place, table

CONFIG = Path(__file__).resolve().parents[1] / 'config'
# odom_tf has no parameters; rosbridge and the like are not ours.
NODES = sorted({row.name for sim in (True, False)
                for row in table(Place(Path('/state'), sim=sim, ros=True))
                if row.is_node and row.package.startswith('avatar_')} - {'odom_tf'})


def declared(node: str) -> dict[str, object]:
    """Return the parameters a node declares, with their defaults."""
    if node == 'motor':
        from avatar_motor.params import Params as Motor
        return {f.name: f.default for f in dataclasses.fields(Motor)}
    if node == 'sim_camera':
        from avatar_camera.sim.params import Params as SimCamera
        return {f.name: f.default for f in dataclasses.fields(SimCamera)}
    if node == 'camera':
        from avatar_camera.driver.params import Params as Camera
        return {f.name: f.default for f in dataclasses.fields(Camera)}
    if node == 'stream':
        from avatar_camera.stream.params import Params as Stream
        return {f.name: f.default for f in dataclasses.fields(Stream)}
    if node == 'health':
        from avatar_bringup.health.params import Params as Health
        return {f.name: f.default for f in dataclasses.fields(Health)}
    assert node == 'gateway', f'tell this test where the parameters of {node} are'
    from avatar_web.node import Params as Gateway
    return {f.name: f.default for f in dataclasses.fields(Gateway)}


def test_every_node_has_a_file_and_every_file_a_node() -> None:
    assert sorted(f.stem for f in CONFIG.glob('*.yaml')) == NODES


@pytest.mark.parametrize('node', NODES)
def test_the_file_has_exactly_the_declared_parameters_and_defaults(node: str) -> None:
    read = yaml.safe_load((CONFIG / f'{node}.yaml').read_text())['/**']['ros__parameters']
    written = {n: tuple(v) if isinstance(v, list) else v for n, v in read.items()}
    wanted = declared(node)
    assert written == wanted
    assert {n: type(v) for n, v in written.items()} == {n: type(v) for n, v in wanted.items()}


@pytest.mark.parametrize('node', NODES)
def test_every_parameter_has_a_comment(node: str) -> None:
    lines = (CONFIG / f'{node}.yaml').read_text().splitlines()
    body = lines[lines.index('  ros__parameters:') + 1:]
    commented = False
    for line in body:
        if line.strip().startswith('#'):
            commented = not line.strip().startswith('# ---')
        elif not line.strip():
            commented = False
        else:
            assert commented, line
