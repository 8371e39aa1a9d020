# SPDX-License-Identifier: Apache-2.0
"""The table of avatar's processes, what starts it, and the avatar command."""
