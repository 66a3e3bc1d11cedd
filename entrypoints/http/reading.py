"""Reading a request strictly: JSON only, exactly the fields that are asked for, each of its own type."""

import json
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException, InternalServerException

from domain.refusals import Code, Refusal
from entrypoints.http.problems import malformed


class UnsupportedMediaType(ClientException):
    status_code = 415


class StrictRequest(Request[Any, Any, Any]):
    """The framework parses JSON whatever its content type, lets unknown fields pass and turns "1" into 1."""

    async def body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException as error:  # the framework's word for a caller who hung up
            raise Refusal(Code.MALFORMED, "The request ended before it was complete.") from error

    async def json(self) -> Any:
        self._insist_on("application/json")
        wanted = self.route_handler.parsed_data_field
        body = await self.body()
        try:
            read = msgspec.json.decode(body, type=wanted.annotation if wanted else Any)
            json.loads(body.decode(), object_pairs_hook=_no_field_twice)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise malformed(error) from None
        if isinstance(read, msgspec.Struct):
            for name in read.__struct_fields__:
                if "\0" in str(getattr(read, name)):
                    raise Refusal(Code.MALFORMED, "NUL is not a character here.", field=name)
        return read

    async def form(self) -> FormMultiDict:
        """Only the pages behind links read forms."""
        self._insist_on("application/x-www-form-urlencoded")
        form = await super().form()
        if any("\0" in value for value in form.values()):
            raise Refusal(Code.MALFORMED, "NUL is not a character here.")
        return form

    def _insist_on(self, media_type: str) -> None:
        said = self.headers.getall("content-type", [])
        kind, options = self.content_type
        if len(said) != 1 or kind.lower() != media_type or options.get("charset", "utf-8").lower() != "utf-8":
            raise UnsupportedMediaType(f"Send {media_type}.")


def _no_field_twice(pairs: list[tuple[str, Any]]) -> None:
    """Two parsers of one document must not see two different things."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Refusal(Code.MALFORMED, "A field is given twice.")
