# SPDX-License-Identifier: Apache-2.0
"""The WebSocket clients: what each sends and sees, what waits for it, who makes room."""
