"""What the store drivers raise when a store gives no usable answer."""

from __future__ import annotations


class StoreUnreachable(ConnectionError):
    """A store could not be reached, did not answer in time, or refused; nothing follows for its content."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"{store}: {reason}")
        self.store = store
        self.reason = reason


class NoSuchCollection(StoreUnreachable):
    """The vector store answered, but does not know the collection."""
