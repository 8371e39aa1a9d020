# SPDX-License-Identifier: Apache-2.0
"""The gateway's media side: who may watch, the way to the picture, pictures and recordings."""
