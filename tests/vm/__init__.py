# SPDX-License-Identifier: Apache-2.0
"""The virtual robot: a real kernel with devices to pull out, over the files of this machine."""
