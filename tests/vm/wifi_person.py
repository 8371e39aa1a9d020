# SPDX-License-Identifier: Apache-2.0
"""
Inside the virtual robot: the gateway's WiFi part, told by lines what a person does.

    wifi_person.py STATE_DIR [UID]
    In:  {"do": "look"} | {"do": "scan"} | {"do": "told"} | {"do": "forget", "name": "x"}
         | {"do": "join", "name": "x", "kind": "wpa", "password": "y"}
         | {"do": "priority", "name": "x", "priority": 5}
    Out: {"answer": ...} or {"problem": code, "sentence": ...}, a line each; {"said": ...} any time
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from avatar_web.system import join_record, joining, wifi
from avatar_web.system.nmcli import Nmcli, NmcliProblem
from avatar_web.system.wifi import Wifi, WifiRefused


def tell(**words: Any) -> None:
    print(json.dumps(words), flush=True)


async def do(robot: Wifi, order: dict[str, Any]) -> Any:
    """Do one thing; return what the page would get."""
    what = order['do']
    if what == 'told':
        return robot.joining.for_page()
    if what == 'scan':
        await robot.scan()
    elif what == 'join':
        ssid = order['name'].encode().hex()
        await robot.join(ssid, order['kind'], order.get('password'), lambda: None)
    elif what in ('priority', 'forget'):
        known = {one.name: one.uuid for one in (await robot.look()).known}
        if what == 'priority':
            await robot.set_priority(known[order['name']], order['priority'])
        else:
            await robot.forget(known[order['name']])
    return (await robot.look()).for_page()


async def serve(state_dir: Path) -> None:
    """Serve until standard input ends."""
    robot = Wifi(state_dir, lambda sentence: tell(said=sentence))
    await robot.start()
    loop = asyncio.get_running_loop()
    tell(answer='ready')
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            tell(answer=await do(robot, json.loads(line)))
        except (NmcliProblem, WifiRefused) as problem:
            tell(problem=problem.code, sentence=str(problem))
    await robot.close()


if __name__ == '__main__':
    # An emulated machine is ten times slower; what is tested is what follows from what.
    joining.JOIN_S = join_record.JOIN_S = 120.0
    joining.CHANGE_S = wifi.CHANGE_S = 90.0
    Nmcli.run.__kwdefaults__['timeout_s'] = 90.0
    if len(sys.argv) > 2:
        os.setuid(int(sys.argv[2]))
    asyncio.run(serve(Path(sys.argv[1])))
