# SPDX-License-Identifier: Apache-2.0
"""The camera of a robot: v4l2_camera, started on the right device and ended when it hangs."""
