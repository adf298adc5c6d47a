"""Loaded by every Python process of a run under test that is to be killed at an aimed moment."""

from __future__ import annotations

import os

if os.environ.get("AIMED_KILL"):
    from tests.kills import aim

    aim.take()
