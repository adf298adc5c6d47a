"""Errors that several layers raise and the steps understand."""

from __future__ import annotations


class Unavailable(Exception):
    """Something a scenario needs cannot be had in this mode; the message is the reason shown for the skip."""
