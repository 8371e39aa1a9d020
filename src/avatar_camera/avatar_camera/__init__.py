# SPDX-License-Identifier: Apache-2.0
"""The picture: the stream node, and a simulated camera."""
