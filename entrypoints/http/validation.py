"""Describes all problems of an input in terms of JSON. The decoder alone stops at the first one and names Python
types."""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Any, get_args

import msgspec

from domain.refusals import ErrorCode, Refusal

_MOST = 32
"""The most problems that one response names, so that it is not much longer than the request."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
    "uuid": "a UUID",
    "datetime": "a date and time (RFC 3339)",
}
_PLACE = re.compile(r" - at `\$\.?(.*)`", re.DOTALL)
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `\w+` of length (<=|>=) (\d+)")
_BOUND = re.compile(r"Expected `\w+` (<=|>=) (\S+)")
_TYPE = re.compile(r"Expected `([\w| ]+)`.*", re.DOTALL)
_SYNTAX = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_BOUNDS = {"<=": "at most", ">=": "at least"}


def refusal_of(problems: Sequence[Refusal]) -> Refusal:
    """One refusal for all problems, up to the number that a response names."""
    first, *others = problems[:_MOST]
    first.others = tuple(others)
    return first


def problem_of(name: str, message: str) -> Refusal:
    """A field that breaks a rule. Its name is quoted only if it looks like a name, because it may be a misplaced
    value."""
    return Refusal(ErrorCode.MALFORMED, message, field=name if _NAME.fullmatch(name) else "")


def body_problems(value: object, shape: type[msgspec.Struct]) -> list[Refusal]:
    """A problem for every invalid field of a decoded body."""
    return list(islice(_body_problems(value, shape), _MOST))


def _body_problems(value: object, shape: type[msgspec.Struct]) -> Iterator[Refusal]:
    if not isinstance(value, dict):
        yield Refusal(ErrorCode.MALFORMED, "The body must be a JSON object.", field="")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        if name not in value:
            if field.required:
                yield problem_of(name, "is required")
            continue
        try:
            msgspec.convert(value[name], field.type)
        except msgspec.ValidationError as error:
            yield problem_of(name, rule_for(str(error), field.type))
        else:
            if _has_nul(value[name]):
                yield problem_of(name, "must not contain NUL")
    for name in value:
        if name not in fields:
            yield problem_of(name, "unknown field")


def _has_nul(value: object) -> bool:
    """Whether a text in the value contains NUL. Not recursive, because clients choose the depth."""
    values = [value]
    while values:
        match values.pop():
            case str(text) if "\0" in text:
                return True
            case dict(members):
                values += [*members, *members.values()]
            case list(items):
                values += items
    return False


def missing_body(shape: Any) -> list[Refusal]:
    """The refusal of a missing body."""
    fields = msgspec.structs.fields(shape) if isinstance(shape, type) and issubclass(shape, msgspec.Struct) else ()
    required = [problem_of(field.encode_name, "is required") for field in fields if field.required]
    return required or [Refusal(ErrorCode.MALFORMED, "A JSON body is required.", field="")]


def not_json(message: str) -> Refusal:
    """The refusal of a body that is not JSON."""
    syntax = _SYNTAX.fullmatch(message)
    text = f"The body is not JSON: {syntax[1]} at byte {syntax[2]}." if syntax else "The body is not JSON."
    if "truncated" in message:
        text = "The body ends before its JSON is complete."
    return Refusal(ErrorCode.MALFORMED, text, field="")


def decoded_problem(message: str) -> Refusal:
    """Translates the decoder's message about an object."""
    if field := _FIELD.match(message):
        return problem_of(field[2], "is required" if field[1] == "missing required" else "unknown field")
    path = _PLACE.search(message)
    return problem_of(path[1] if path else "", rule_for(message))


def rule_for(message: str, annotation: Any = None) -> str:
    """Translates the decoder's message about a value into the rule that it breaks."""
    message = _PLACE.sub("", message)
    if choices := _choices(annotation):
        return f"must be one of {', '.join(choices)}"
    if length := _LENGTH.fullmatch(message):
        return f"must have {_BOUNDS[length[1]]} {length[2]} characters"
    if bound := _BOUND.fullmatch(message):
        return f"must be {_BOUNDS[bound[1]]} {bound[2]}"
    if kind := _TYPE.fullmatch(message):
        return f"must be {' or '.join(_TYPES.get(name, name) for name in kind[1].split(' | '))}"
    return {"Invalid UUID": "must be a UUID"}.get(message, "is not valid")


def _choices(annotation: Any) -> list[str]:
    """The values of the enum in a type, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return next(filter(None, map(_choices, get_args(annotation))), [])
