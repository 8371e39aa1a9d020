# SPDX-License-Identifier: Apache-2.0
"""What a person does with the robot at its console: look, stop, save, carry over, renew."""
