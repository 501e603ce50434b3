"""GET /v1/describe as XML, in the form tap-zuora's discovery reads."""

from __future__ import annotations

from xml.etree import ElementTree

from sandbox.zuora.schema import Field, Schema, ZuoraObject

_PICKLISTS = {"Status", "Currency", "Batch", "PaymentTerm", "TermType", "Type", "Source", "Brand__c", "Change_Type__c"}
_READ_ONLY = {"Id", "CreatedById", "CreatedDate", "UpdatedById", "UpdatedDate"}
_LENGTH = 255


def objects_xml(schema: Schema, url: str) -> bytes:
    """The list of objects. `url` is the describe endpoint's, without a slash at its end."""
    root = ElementTree.Element("objects")
    for name in schema.names():
        _object_reference(root, name, url)
    return _document(root)


def object_xml(subject: ZuoraObject, schema: Schema, url: str) -> bytes:
    """One object with its fields and the objects its ids point at."""
    root = ElementTree.Element("object", href=f"{url}/{subject.name}")
    _text(root, "name", subject.name)
    _text(root, "label", subject.name)
    fields = ElementTree.SubElement(root, "fields")
    for field in subject.fields:
        _field(ElementTree.SubElement(fields, "field"), field)
    related = ElementTree.SubElement(root, "related-objects")
    for name in schema.names():
        if name != subject.name and subject.field(f"{name}Id"):
            _object_reference(related, name, url)
    return _document(root)


def _field(node: ElementTree.Element, field: Field) -> None:
    is_picklist = field.name in _PICKLISTS and field.kind == "text"
    _text(node, "name", field.name)
    _text(node, "label", field.label)
    _text(node, "selectable", "true")
    writable = "false" if field.name in _READ_ONLY else "true"
    _text(node, "createable", writable)
    _text(node, "updateable", writable)
    _text(node, "filterable", "true")
    _text(node, "custom", "true" if field.is_custom else "false")
    _text(node, "maxlength", str(_LENGTH) if field.kind == "text" else "")
    _text(node, "required", "true" if field.name == "Id" else "false")
    _text(node, "type", "picklist" if is_picklist else field.kind)
    contexts = ElementTree.SubElement(node, "contexts")
    for context in ("soap", "export"):
        _text(contexts, "context", context)


def _object_reference(parent: ElementTree.Element, name: str, url: str) -> None:
    node = ElementTree.SubElement(parent, "object", href=f"{url}/{name}")
    _text(node, "name", name)
    _text(node, "label", name)


def _text(parent: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _document(root: ElementTree.Element) -> bytes:
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
