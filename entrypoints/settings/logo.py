"""The logo: a small PNG or SVG file. An SVG may contain nothing that runs, or that is loaded from elsewhere."""

import hashlib
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from entrypoints.settings.files import in_root

LIMIT = 64 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
_ACTIVE = {"script", "foreignobject", "handler", "listener", "iframe", "embed", "object", "audio", "video", "set"}
_SVG = "http://www.w3.org/2000/svg"
_EXTERNAL = re.compile(r"@import|url\(\s*['\"]?(?!#)|expression\(|javascript:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Logo:
    media_type: str
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """A file name that changes with the content, so that browsers may keep it for ever."""
        digest = hashlib.sha256(self.content).hexdigest()[:16]
        return f"{digest}.{'png' if self.media_type == 'image/png' else 'svg'}"


def logo(text: str) -> Logo:
    """Read the file. Raises ValueError, which says what is wrong with it."""
    path = in_root(text)
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    if len(content) > LIMIT:
        raise ValueError(f"{path} is larger than {LIMIT // 1024} KiB")
    if content.startswith(_PNG):
        return Logo("image/png", content)
    try:
        _Svg().parse(content)
    except (expat.ExpatError, ValueError) as error:
        raise ValueError(f"{path} is neither a PNG nor a harmless SVG file: {error}") from None
    return Logo("image/svg+xml", content)


class _Svg:
    """Refuses more than it has to: an SVG of a drawing program passes, one of an attacker does not."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self._parser.StartElementHandler = self._element
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.ProcessingInstructionHandler = self._instruction
        self._parser.XmlDeclHandler = self._declaration
        self._parser.buffer_text = True
        self._elements = 0

    def parse(self, content: bytes) -> None:
        try:
            content.decode()
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None
        self._parser.Parse(content, True)

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self._elements += 1
        if self._elements == 1 and (namespace, local) != (_SVG, "svg"):
            raise ValueError("its root is no <svg> element")
        if local.lower() in _ACTIVE or local.lower().startswith("animate"):
            raise ValueError(f"it contains <{local}>")
        for attribute, value in attributes.items():
            self._attribute(attribute.rpartition(" ")[2].lower(), value.strip())

    def _attribute(self, name: str, value: str) -> None:
        if name.startswith("on"):
            raise ValueError(f"it contains the script {name}")
        if name in ("href", "src", "base", "data") and not value.startswith("#"):
            raise ValueError(f"it refers to something outside by {name}")
        self._text(value)

    def _text(self, text: str) -> None:
        if _EXTERNAL.search(text):
            raise ValueError("it refers to something outside in a style")

    def _declaration(self, _: str, encoding: str | None, __: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":  # a browser would believe it
            raise ValueError(f"its encoding is {encoding}")

    def _doctype(self, *_: object) -> None:
        raise ValueError("it has a document type")

    def _instruction(self, target: str, _: str) -> None:
        raise ValueError(f"it contains the instruction <?{target}?>")
