# SPDX-License-Identifier: Apache-2.0
"""The stream node: newest frame -> one encoder -> MediaMTX; snapshots and recordings."""
