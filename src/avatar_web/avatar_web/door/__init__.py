# SPDX-License-Identifier: Apache-2.0
"""The way in: HTTP, TLS, static files, and what is asked of every request."""
