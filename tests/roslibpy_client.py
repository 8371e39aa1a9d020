# SPDX-License-Identifier: Apache-2.0
"""
What a person writes who knows roslibpy and not avatar; run by tests/test_roslibpy.py.

    python roslibpy_client.py ws://127.0.0.1:8080/rosbridge?token=...

roslibpy as it is on PyPI; the only thing of ours is the message that takes the lease.
"""

import json
import sys
import threading
import time

import roslibpy


def main() -> int:
    """Subscribe, call a service, drive for a second, stop; print what was seen as JSON."""
    ros = roslibpy.Ros(sys.argv[1])
    ros.run(10)
    seen: dict[str, object] = {'connected': ros.is_connected}

    states: list[dict[str, str]] = []
    first = threading.Event()

    def on_state(message: dict) -> None:
        states.append({v['key']: v['value'] for v in message['values']})
        first.set()

    listener = roslibpy.Topic(ros, '/motor/state', 'diagnostic_msgs/DiagnosticStatus')
    listener.subscribe(on_state)
    first.wait(10)

    lights = roslibpy.Service(ros, '/lights/front', 'std_srvs/SetBool')
    seen['lights'] = lights.call(roslibpy.ServiceRequest({'data': True}), timeout=10)['success']

    ros.send_on_ready(roslibpy.Message({'op': 'lease', 'action': 'take'}))
    time.sleep(0.5)
    talker = roslibpy.Topic(ros, '/cmd_vel', 'geometry_msgs/Twist')
    for number in range(25):
        speed = 0.3 if number >= 5 else 0.0
        talker.publish(roslibpy.Message({
            'linear': {'x': speed, 'y': 0.0, 'z': 0.0},
            'angular': {'x': 0.0, 'y': 0.0, 'z': 0.0}}))
        time.sleep(0.05)
    seen['drove'] = any(s['commander'] == 'operator' and int(s['left']) > 0 for s in states)
    talker.publish(roslibpy.Message({'linear': {'x': 0.0}, 'angular': {'z': 0.0}}))
    talker.unadvertise()
    listener.unsubscribe()
    time.sleep(0.5)
    seen['lamp'] = states[-1]['front_lights']
    print(json.dumps(seen))
    ros.terminate()
    return 0


if __name__ == '__main__':
    sys.exit(main())
