"""XML with the place of everything in its own text: read without entities, patched without touching another byte."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARED = re.compile(rb"""\A<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_FEATURE = re.compile(r"_\.fcp\.(?P<feature>.+)\.(?P<on>true|false)\.\.\.(?P<tag>.+)")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_RAW = re.compile(
    r"<!\[CDATA\[(?P<cdata>.*?)\]\]>|&#x(?P<hex>[0-9A-Fa-f]+);|&#(?P<dec>\d+);|&(?P<name>\w+);|\r\n?|.", re.DOTALL
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "apos": "'", "quot": '"'}
_ESCAPED = {ord(char): f"&{name};" for name, char in _NAMED.items()} | {ord("\r"): "&#13;"}
_ESCAPED_IN_ATTRIBUTE = _ESCAPED | {ord("\n"): "&#10;", ord("\t"): "&#9;"}
_DEEPEST = 200
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


class NotMarkup(ValueError):
    """The bytes are no XML that is read here. `line` is where (1-based; 0 if unknown)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True, eq=False)
class Element:
    """An element and its place.

    Attributes:
        tag: without the prefix that newer versions put before what older ones should not see.
        feature: name and state of that prefix; None without one.
        start, head_end, end: offsets in the document's text of its `<`, after its start tag, and after its end.
    """

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    line: int
    start: int
    head_end: int
    end: int = 0
    feature: tuple[str, bool] | None = None
    children: list[Element] = field(default_factory=list["Element"])
    has_text: bool = False

    def get(self, name: str, default: str = "") -> str:
        """An attribute's value."""
        return self.attributes.get(name, default)

    def all(self, *tags: str) -> Iterator[Element]:
        """The children with one of these tags."""
        return (child for child in self.children if child.tag in tags)

    def first(self, *path: str) -> Element | None:
        """The first element at the end of a path of tags."""
        found: Element | None = self
        for tag in path:
            found = next(found.all(tag), None) if found is not None else None
        return found

    def walk(self) -> Iterator[Element]:
        """It and all below it, in the order of the text."""
        stack: list[Element] = [self]
        while stack:
            element = stack.pop()
            yield element
            stack += element.children[::-1]

    def above(self, tag: str) -> Element | None:
        """The nearest element around it with this tag."""
        found = self.parent
        while found is not None and found.tag != tag:
            found = found.parent
        return found


@dataclass(frozen=True)
class Patch:
    """A range of the document's text and what takes its place."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True)
class Document:
    """A file of XML.

    Attributes:
        raw: its text in UTF-8, without a byte order mark.
    """

    raw: bytes
    root: Element
    encoding: str
    mark: bytes

    def text(self, element: Element) -> str:
        """The character data directly inside an element."""
        if not element.has_text:
            return ""
        written = self.raw[element.head_end : element.end]
        if not element.children and b"&" not in written and b"<!" not in written and b"<?" not in written:
            return written[: written.rindex(b"</")].decode().replace("\r\n", "\n").replace("\r", "\n")
        return "".join(char.text for char in self._content(element))

    def set_text(self, element: Element, new: str) -> list[Patch]:
        """Patches after which an element without children holds this text."""
        return _patches(self._content(element), new, element.head_end, _ESCAPED)

    def set_attribute(self, element: Element, name: str, new: str) -> list[Patch]:
        """Patches after which an attribute has this value."""
        start, end = self.attribute(element, name)
        chars = list(_characters(self.raw, start, end, blank=True))
        return _patches(chars, new, start, _ESCAPED_IN_ATTRIBUTE)

    def attribute(self, element: Element, name: str) -> tuple[int, int]:
        """The range of an attribute's value, without its quotes. Raises KeyError."""
        at = self.raw.index(b"<", element.start) + 1
        while self.raw[at : at + 1] not in (b" ", b"\t", b"\r", b"\n", b"/", b">"):
            at += 1
        while (found := _ATTRIBUTE.match(self.raw, at, element.head_end)) is not None:
            if found.group(1).decode() == name:
                return found.start(2) + 1, found.end(2) - 1
            at = found.end()
        raise KeyError(name)

    def without(self, element: Element) -> Patch:
        """The patch that takes an element out, with its line where nothing else stands on it."""
        start, end = element.start, element.end
        line = self.raw.rfind(b"\n", 0, start) + 1
        after = self.raw.find(b"\n", end)
        if after >= 0 and not self.raw[line:start].strip() and not self.raw[end:after].strip():
            return Patch(line, after + 1, b"")
        return Patch(start, end, b"")

    def patched(self, patches: Iterable[Patch]) -> bytes:
        """The file's bytes after the patches, in its own encoding."""
        out: list[bytes] = []
        at = 0
        for patch in sorted(patches, key=lambda p: (p.start, p.end)):
            if patch.start < at:
                raise ValueError("patches overlap")
            out += [self.raw[at : patch.start], patch.text]
            at = patch.end
        out.append(self.raw[at:])
        return self.mark + b"".join(out).decode().encode(self.encoding)

    def _content(self, element: Element) -> list[_Character]:
        if not element.has_text:
            return []
        at, found = element.head_end, list[_Character]()
        for child in element.children:
            found += _characters(self.raw, at, child.start)
            at = child.end
        return found + list(_characters(self.raw, at, self.raw.rindex(b"</", 0, element.end)))


def read_markup(content: bytes) -> Document:
    """Read a file's bytes. Raises NotMarkup, also for a DOCTYPE: entities are never expanded."""
    mark, encoding = next(((bom, name) for bom, name in _BOMS if content.startswith(bom)), (b"", ""))
    body = content[len(mark) :]
    if not encoding:
        declared = _DECLARED.match(body)
        encoding = declared.group(1).decode() if declared else "utf-8"
    try:
        raw = body.decode(encoding).encode()
        if raw.decode().encode(encoding) != body:
            raise NotMarkup(f"its {encoding} cannot be written back as it is", 1)
    except LookupError:
        raise NotMarkup(f"{encoding} is no known encoding", 1) from None
    except UnicodeError as error:
        line = body.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise NotMarkup(f"is not {encoding}: {getattr(error, 'reason', error)}", line) from None
    return Document(raw, _Reader(raw).run(), encoding, mark)


class _Reader:
    """Makes elements of what the parser tells."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._open: list[Element] = []
        self._root: Element | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def run(self) -> Element:
        try:
            self._parser.Parse(self._raw, True)
        except expat.ExpatError as error:
            raise NotMarkup(f"is not XML: {expat.errors.messages[error.code]}", error.lineno) from None
        if self._root is None:
            raise NotMarkup("is not XML: no element found", 1)
        return self._root

    def _doctype(self, *_: object) -> None:
        raise NotMarkup("declares a document type, which may define entities; no Tableau file has one",
                        self._parser.CurrentLineNumber)  # fmt: skip

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        head_end = self._head_end(start)
        marked = _FEATURE.fullmatch(name)
        parent = self._open[-1] if self._open else None
        element = Element(
            marked["tag"] if marked else name,
            attributes,
            parent,
            self._parser.CurrentLineNumber,
            start,
            head_end,
            feature=(marked["feature"], marked["on"] == "true") if marked else None,
        )
        if parent is None:
            self._root = element
        else:
            parent.children.append(element)
        self._open.append(element)
        if len(self._open) > _DEEPEST:
            raise NotMarkup(f"nests more than {_DEEPEST} elements", element.line)

    def _end(self, _: str) -> None:
        element = self._open.pop()
        closed = self._raw[element.head_end - 2 : element.head_end] == b"/>"
        element.end = element.head_end if closed else self._raw.index(b">", self._parser.CurrentByteIndex) + 1

    def _characters(self, _: str) -> None:
        self._open[-1].has_text = True

    def _head_end(self, start: int) -> int:
        at = start + 1
        while True:
            at = min(p for mark in (b">", b"'", b'"') if (p := self._raw.find(mark, at)) >= 0)
            if self._raw[at : at + 1] == b">":
                return at + 1
            at = self._raw.index(self._raw[at : at + 1], at + 1) + 1


@dataclass(frozen=True, slots=True)
class _Character:
    """A character as the parser tells it, the range of its writing, and whether that is in CDATA."""

    text: str
    start: int
    end: int
    literal: bool = False


def _characters(raw: bytes, start: int, end: int, *, blank: bool = False) -> Iterator[_Character]:
    """The characters of a range. `blank`: line ends and tabs that are written as such are blanks (attributes)."""
    at = start
    for found in _RAW.finditer(_without_comments(raw[start:end].decode())):
        written = found.group()
        after = at + len(written.encode())
        if found["cdata"] is not None:
            place = at + len("<![CDATA[")
            for inner in re.finditer(r"\r\n?|.", found["cdata"], re.DOTALL):
                size = len(inner.group().encode())
                text = "\n" if inner.group()[0] == "\r" else inner.group()
                yield _Character(text, place, place + size, literal=True)
                place += size
        elif written[0] == "\0":
            pass  # a comment was here
        elif written[0] == "&":
            code = int(found["hex"], 16) if found["hex"] else int(found["dec"]) if found["dec"] else None
            yield _Character(chr(code) if code is not None else _NAMED[found["name"]], at, after)
        else:
            text = "\n" if written[0] == "\r" else written
            yield _Character(" " if blank and text in "\n\t" else text, at, after)
        at = after


def _without_comments(text: str) -> str:
    """The same length in bytes, with comments and processing instructions as NUL, which XML cannot hold."""
    return re.sub(r"<!--.*?-->|<\?.*?\?>", lambda m: "\0" * len(m.group().encode()), text, flags=re.DOTALL)


def _patches(chars: list[_Character], new: str, place: int, escapes: dict[int, str]) -> list[Patch]:
    """The fewest words written anew that make `new` of the characters."""
    before, after = _words("".join(c.text for c in chars)), _words(new)
    old_at, new_at = _offsets(before), _offsets(after)
    found: list[Patch] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if tag == "equal":
            continue
        first, last = old_at[a], old_at[b]
        start = chars[first].start if first < len(chars) else (chars[-1].end if chars else place)
        end = chars[last - 1].end if last > first else start
        near = chars[min(first, len(chars) - 1)] if chars else None
        text = new[new_at[c] : new_at[d]]
        literal = near is not None and near.literal and "]]>" not in text
        found.append(Patch(start, end, (text if literal else text.translate(escapes)).encode()))
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _offsets(words: list[str]) -> list[int]:
    found = [0]
    for word in words:
        found.append(found[-1] + len(word))
    return found
