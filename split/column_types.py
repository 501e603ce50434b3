"""Columns whose type would change by the cuts, found by comparing schemas, and cast back where they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from split.columns import find_projection
from split.dbt.project import Project
from split.report_model import ModelReport, ProjectReport, TypeRepair
from split.sql.mask import JinjaError, Variant, mask
from split.sql.spans import NotParsed, parse

Schemas = Mapping[str, Mapping[str, str]]
"""Type of each column of each model."""

Describe = Callable[[ProjectReport], Schemas]
"""Builds the project with the new texts of a report and returns the types of what it built."""


def repair_types(project: Project, report: ProjectReport, old: Schemas, describe: Describe) -> ProjectReport:
    """Cast every column whose type the cuts changed, upstream first, and describe anew until nothing changes any more.

    What cannot be cast in place (no single projection makes the column, the model is not changed by us) is listed as
    not repaired.
    """
    tried: set[tuple[str, str]] = set()
    order = [node.name for node in project.models]
    for _ in range(len(order) + 1):
        new = describe(report)
        changed = {
            name: found
            for name in order
            if (found := [(c, t, new[name][c]) for c, t in old.get(name, {}).items() if _differs(new, name, c, t)])
        }
        first = [name for name in changed if not set(_above(project, name)) & set(changed)]
        open_ = [(name, *change) for name in first for change in changed[name] if (name, change[0]) not in tried]
        models = {model.name: model for model in report.models}
        for name, column, was, becomes in open_ or _never_tried(changed, tried):
            tried.add((name, column))
            models[name] = _cast(models[name], column, was, becomes, project.dialect)
        if not open_:
            return _with(report, models)
        report = _with(report, models)
    return report


def _differs(new: Schemas, name: str, column: str, old_type: str) -> bool:
    found = new.get(name, {}).get(column)
    return found is not None and found.lower() != old_type.lower()


def _never_tried(
    changed: Mapping[str, list[tuple[str, str, str]]], tried: set[tuple[str, str]]
) -> list[tuple[str, str, str, str]]:
    """What is below a column that could not be repaired."""
    return [(name, *c) for name, found in changed.items() for c in found if (name, c[0]) not in tried]


def _above(project: Project, name: str) -> set[str]:
    known = {node.name: node.refs for node in project.models}
    found: set[str] = set()
    refs = list(known[name])
    while refs:
        ref = refs.pop()
        if ref not in found and ref in known:
            found.add(ref)
            refs += known[ref]
    return found


def _with(report: ProjectReport, models: Mapping[str, ModelReport]) -> ProjectReport:
    return report.model_copy(update={"models": tuple(models[m.name] for m in report.models)})


def _cast(model: ModelReport, column: str, was: str, becomes: str, dialect: str) -> ModelReport:
    """The model with a cast around what makes the column."""
    text = _wrapped(model, column, was, dialect) if model.new_text is not None else None
    repair = TypeRepair(column=column, old_type=was, new_type=becomes, repaired=text is not None)
    changes = {"type_repairs": (*model.type_repairs, repair), "new_text": text or model.new_text}
    return model.model_copy(update=changes)


def _wrapped(model: ModelReport, column: str, type_: str, dialect: str) -> str | None:
    text = model.new_text or model.old_text
    variant = Variant.last if model.seen_as == "last branches" else Variant.first
    try:
        masked = mask(text, variant)
        tree = parse(masked.sql, dialect)
        found = find_projection(tree.root, column)
        if found is None:
            return None
        select, place = found
        projection = select.selects[place]
        span = tree.span(projection.unalias())
        if span is None or masked.tears(*span):
            return None
        name = "" if projection.alias else f" as {column}"
        changed = f"{text[: span[0]]}cast({text[slice(*span)]} as {type_}){name}{text[span[1] :]}"
        parse(mask(changed, variant).sql, dialect)
    except (NotParsed, JinjaError):
        return None
    return changed
