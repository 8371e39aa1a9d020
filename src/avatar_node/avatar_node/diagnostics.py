# SPDX-License-Identifier: Apache-2.0
"""Build and read diagnostic messages (REP-107: a part, a level, a sentence, key-value pairs)."""

from collections.abc import Iterable, Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE


def text_of(value: object) -> str:
    """Return the text of a value; booleans as 'true' and 'false', as the ROS tools write them."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return str(value)


def status(
    name: str,
    level: bytes,
    message: str,
    values: Mapping[str, object] | None = None,
    hardware_id: str = '',
) -> DiagnosticStatus:
    """Build one DiagnosticStatus named `node: part`."""
    return DiagnosticStatus(
        name=name,
        level=level,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=k, value=text_of(v)) for k, v in (values or {}).items()],
    )


def array(stamp: Time, statuses: Iterable[DiagnosticStatus]) -> DiagnosticArray:
    """Build the message of `/diagnostics`."""
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = stamp
    return message


def values(message: DiagnosticStatus) -> dict[str, str]:
    """Return the key-value pairs of a status as a dict."""
    return {pair.key: pair.value for pair in message.values}
