# SPDX-License-Identifier: Apache-2.0
"""What every command of `care` raises when it does not do what it should."""


class Problem(RuntimeError):
    """It was not done; the text says why, and what to do."""
