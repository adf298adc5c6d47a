"""What lies in a folder that others may write to is believed only if nobody else can have put it there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST_FILE = 1_000_000
OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class NotTrusted(Exception):
    """The contents of this are not believed; the message says why, in one line."""


def is_own_directory(path: Path) -> bool:
    """Whether it is a directory, and no link to one, in which only this account can write."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _own(status)


def read(file: Path) -> str:
    """The text of a file of this account. Raises ``NotTrusted``, and ``FileNotFoundError``."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotTrusted(f"{file} cannot be read: {error.strerror}") from None
    with open(handle, "rb") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotTrusted(f"{file} is not a file")
        if not _own(status):
            raise NotTrusted(f"{file} may have been written by another user")
        if status.st_size > LARGEST_FILE:
            raise NotTrusted(f"{file} is larger than the suite would write it")
        try:
            return opened.read(LARGEST_FILE).decode()
        except UnicodeDecodeError:
            raise NotTrusted(f"{file} is no text") from None


def _own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & OF_OTHERS
