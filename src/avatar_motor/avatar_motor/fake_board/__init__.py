# SPDX-License-Identifier: Apache-2.0
"""The motor board as a process of its own, on a pseudo terminal."""
