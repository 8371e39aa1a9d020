# SPDX-License-Identifier: Apache-2.0
"""Tests of the whole system: real processes, real DDS, real sockets, a real browser."""
