# SPDX-License-Identifier: Apache-2.0
"""What the tests of `care` share is in folders.py beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
