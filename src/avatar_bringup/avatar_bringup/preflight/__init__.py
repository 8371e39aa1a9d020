# SPDX-License-Identifier: Apache-2.0
"""
What is held by whom, looked at before the parts start and while one of them waits.

A second copy is refused (`second`); anything else that is held is a finding and no reason to stay
down (`look`). Nothing is ever killed.
"""
