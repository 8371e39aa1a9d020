# SPDX-License-Identifier: Apache-2.0
"""Who drives and what becomes of a command: lease, freshness, and every way a drive ends."""
