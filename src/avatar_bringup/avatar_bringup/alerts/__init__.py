# SPDX-License-Identifier: Apache-2.0
"""
What a person is told who is not looking: by mail, Telegram, ntfy and whatever else apprise knows.

policy.py decides what is to be told and when (pure), texts.py how, outbox.py keeps it until it is
sent, sender.py sends in a short-lived process, alerts.py makes one of it all for the health node.
"""
