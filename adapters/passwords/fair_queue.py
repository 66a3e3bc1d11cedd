"""A queue that serves its keys in turn, however many items each key has waiting (round robin)."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    """Between two items of one key, every other key that waits gets one. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting = OrderedDict[Hashable, OrderedDict[Item, None]]()
        """Keys in the order of their turns, and the items of each, oldest first."""

    def push(self, key: Hashable, item: Item) -> None:
        self._waiting.setdefault(key, OrderedDict())[item] = None

    def pop(self) -> Item | None:
        """The oldest item of the key whose turn it is; None where nothing waits."""
        if not self._waiting:
            return None
        key, items = self._waiting.popitem(last=False)
        item, _ = items.popitem(last=False)
        if items:
            self._waiting[key] = items  # at the end: the others come first
        return item

    def remove(self, key: Hashable, item: Item) -> None:
        """Remove an item. Does nothing if it no longer waits."""
        items = self._waiting.get(key, OrderedDict())
        items.pop(item, None)
        if not items:
            self._waiting.pop(key, None)

    def to_drop_for(self, key: Hashable) -> Item | None:
        """The item that should leave a full queue so that one of `key` can enter: the newest of the key with the most
        items. None where `key` itself has as many, or would have."""
        own = len(self._waiting.get(key, ()))
        longest = max(self._waiting.values(), key=len, default=OrderedDict[Item, None]())
        return next(reversed(longest)) if len(longest) > own + 1 else None
