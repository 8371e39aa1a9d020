# SPDX-License-Identifier: Apache-2.0
"""The page in real Chromium, in front of a real robot (with a fake board)."""
