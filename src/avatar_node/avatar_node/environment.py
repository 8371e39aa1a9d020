# SPDX-License-Identifier: Apache-2.0
"""The environment every avatar process gets: DDS on 127.0.0.1 only, and nothing that undoes it."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path

# Fast DDS silently uses every interface when its profile cannot be read: check before use.
DDS_PROFILE = Path(__file__).with_name('dds_loopback.xml')
DDS_FRAMES_PROFILE = Path(__file__).with_name('dds_loopback_frames.xml')
PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'

# Each of these would add transports or peers beside those of the profile. ROS_LOCALHOST_ONLY is
# among them: it adds shared memory and, in Jazzy, sockets bound to every interface.
OVERRIDING = (
    'FASTDDS_BUILTIN_TRANSPORTS',
    'RMW_FASTRTPS_USE_QOS_FROM_XML',
    'ROS_DISCOVERY_SERVER',
    'ROS_LOCALHOST_ONLY',
    'ROS_STATIC_PEERS',
)


def dds_environment(base: Mapping[str, str], domain: int | None = None) -> dict[str, str]:
    """
    Return a copy of `base` in which every ROS process talks on 127.0.0.1 only.

    `domain` is the ROS domain (0..101); None keeps the one of `base`. The variable
    AVATAR_DDS_PROFILE names another profile, for whoever wants DDS on the network.
    """
    profile = Path(base.get('AVATAR_DDS_PROFILE') or DDS_PROFILE)
    if not profile.is_file():
        raise FileNotFoundError(f'no DDS profile {profile}: see AVATAR_DDS_PROFILE, or reinstall')
    result = {key: value for key, value in base.items() if key not in OVERRIDING}
    result['RMW_IMPLEMENTATION'] = 'rmw_fastrtps_cpp'
    result[PROFILE_VARIABLE] = str(profile)
    # Jazzy: leave discovery to the profile. Humble does not know this variable.
    result['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'SYSTEM_DEFAULT'
    if domain is not None:
        result['ROS_DOMAIN_ID'] = str(domain)
    return result


def hold_frames(environ: MutableMapping[str, str]) -> None:
    """
    Give the DDS sockets of this process room for camera frames; to be called before rclpy.init.

    A profile that somebody else has chosen stays.
    """
    if environ.get(PROFILE_VARIABLE) == str(DDS_PROFILE):
        environ[PROFILE_VARIABLE] = str(DDS_FRAMES_PROFILE)
