# SPDX-License-Identifier: Apache-2.0
"""avatar as a service, on a real systemd."""
