# SPDX-License-Identifier: Apache-2.0
"""The language of the WebSocket: rosbridge v2, who may say what, messages to JSON. Pure."""
