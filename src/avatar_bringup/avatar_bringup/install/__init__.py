# SPDX-License-Identifier: Apache-2.0
"""avatar as the one service of a robot: what is written where, and how it goes away again."""
