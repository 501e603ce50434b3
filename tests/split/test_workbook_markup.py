"""XML read safely and patched without touching another byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split.tableau.markup import NotMarkup, read_markup

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))
CONTENT = st.builds("\r\n".join, st.lists(TEXT, max_size=4)) | st.builds("\t<>&'\"".join, st.lists(TEXT, max_size=3))


def _document(old: str) -> bytes:
    written = old.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;").replace("\r", "&#13;")
    attribute = written.replace("\n", "&#10;").replace("\t", "&#9;")
    return f"<a one='{attribute}' two=\"x\"><b>{written}</b><c/></a>".encode()


@settings(deadline=None)
@given(CONTENT, CONTENT)
def test_an_attribute_and_a_text_become_what_they_are_set_to(old: str, new: str) -> None:
    document = read_markup(_document(old))
    inner = document.root.children[0]
    assert (document.root.get("one"), document.text(inner)) == (old, old)
    patches = [*document.set_attribute(document.root, "one", new), *document.set_text(inner, new)]
    again = read_markup(document.patched(patches))
    if old:  # an empty element has no text to patch
        assert again.text(again.root.children[0]) == new
    assert again.root.get("one") == new
    assert b'two="x"' in again.raw
    assert document.patched([]) == _document(old)


def test_only_the_words_that_change_are_written_anew() -> None:
    document = read_markup(b"<a f='IF &quot;x&#x22; &#62; 1&#13;&#10;THEN 2 END'/>")
    patches = document.set_attribute(document.root, "f", document.root.get("f").replace("2", "<3>"))
    assert document.patched(patches) == b"<a f='IF &quot;x&#x22; &#62; 1&#13;&#10;THEN &lt;3&gt; END'/>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "iso-8859-1"])
@pytest.mark.parametrize("mark", [True, False])
def test_encoding_byte_order_mark_and_cdata_are_kept(encoding: str, mark: bool) -> None:
    name = encoding.removesuffix("-be")
    text = f"<?xml version='1.0' encoding='{name}'?>\r\n<a x='é'><![CDATA[p < q]]> &amp; r<!-- c --></a>"
    content = text.encode(encoding)
    if encoding == "utf-8" and mark:
        content = b"\xef\xbb\xbf" + content
    if encoding == "utf-16-be":
        content = b"\xfe\xff" + content
    document = read_markup(content)
    assert document.text(document.root) == "p < q & r"
    assert document.patched([]) == content
    again = read_markup(document.patched(document.set_text(document.root, "p <> q & s")))
    assert again.text(again.root) == "p <> q & s"
    assert b"<![CDATA[p <> q]]> &amp; s<!-- c -->" in again.raw


BOMB = b"<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;&x;&x;'>]><a>&y;</a>"


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (BOMB, 1, "declares a document type"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", 1, "declares a document type"),
        (b"<a>\n<b>\n</a>", 3, "is not XML: mismatched tag"),
        (b"", 1, "is not XML"),
        (b"PK\x03\x04", 1, "is not XML"),
        (b"<a>\xff</a>", 1, "is not utf-8"),
        (b"<?xml version='1.0' encoding='nonsense'?><a/>", 1, "no known encoding"),
        (b"<a>" * 300 + b"</a>" * 300, 1, "nests more than 200"),
    ],
)
def test_what_is_no_safe_xml_is_refused_with_its_line(content: bytes, line: int, message: str) -> None:
    with pytest.raises(NotMarkup, match=message) as raised:
        read_markup(content)
    assert raised.value.line == line
