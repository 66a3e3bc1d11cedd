"""A bounded cache of the holders of recently presented cookies, in the memory of this process."""

from collections import OrderedDict

from application.sessions.ports import CallerCache
from domain.tokens import AccessToken

SIZE = 8192
"""Entries of about half a kilobyte each."""


class LruCallerCache(CallerCache):
    """Drops the least recently used entry when it is full."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._callers: OrderedDict[str, AccessToken] = OrderedDict()

    def get(self, cookie: str) -> AccessToken | None:
        caller = self._callers.get(cookie)
        if caller is not None:
            self._callers.move_to_end(cookie)
        return caller

    def put(self, cookie: str, caller: AccessToken) -> None:
        self._callers[cookie] = caller
        if len(self._callers) > self._size:
            self._callers.popitem(last=False)

    def forget(self, cookie: str) -> None:
        self._callers.pop(cookie, None)
