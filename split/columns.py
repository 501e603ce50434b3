"""Columns of a model that only ever held Enterprise values: dropped where nothing reads them any more."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from split.dbt.project import REF, Project
from split.report_model import CutReport, ModelReport
from split.sql.edits import Edit, delete, patched, without_item
from split.sql.engine import Kind
from split.sql.mask import JinjaError, Masked, Variant, mask
from split.sql.scope import Relation
from split.sql.spans import NotParsed, Tree, parse

_RULE = "a column that is always NULL, which nothing reads"


def drop_columns(
    project: Project,
    reports: Mapping[str, ModelReport],
    results: Mapping[str, Relation | None],
    theirs: Mapping[str, Relation | None],
) -> dict[str, ModelReport]:
    """Take the columns out of the new texts that the facts made NULL and that no model reads.

    A column stays where an exposure depends on the model itself, or where no model reads the model: what else reads
    its table (a workbook, a person) is not known.

    Args:
        results, theirs: what is known of the models' rows without Enterprise, and without Commercial.
    """
    readers = project.readers()
    exposed = {ref for exposure in project.exposures for ref in exposure.refs}
    done = dict(reports)
    for node in reversed(project.models):
        report, result = done[node.name], results[node.name]
        own_readers = [done[name] for name in readers[node.name]]
        if report.new_text is None or report.hand_edit or result is None or not own_readers or node.name in exposed:
            continue
        for column, value in result.columns.items():
            other = theirs[node.name]
            if not value.is_always(None) or other is None or (other.column(column) or value).is_always(None):
                continue
            if any(_reads(reader, column, results[reader.name], project) for reader in own_readers):
                continue
            if _is_tested(project, node.name, column):
                continue
            report = _without(report, column, tuple(sorted({str(f) for _, f in value.gone})), project.dialect)
        done[node.name] = report
    return done


def find_projection(root: exp.Expr, column: str) -> tuple[exp.Select, int] | None:
    """The SELECT and place that give a query's column its value, through `select * from <one CTE>`; None if unclear.

    Of a set operation it is the first branch's.
    """
    with_ = root.args.get("with_")
    ctes: dict[str, exp.Expr] = {cte.alias.lower(): cte.this for cte in with_.expressions} if with_ is not None else {}
    node: exp.Expr = root
    for _ in range(len(ctes) + 20):
        if isinstance(node, exp.Subquery | exp.SetOperation):
            node = node.this
            continue
        if not isinstance(node, exp.Select):
            return None
        place = next((i for i, p in enumerate(node.selects) if p.alias_or_name.lower() == column.lower()), None)
        if place is not None:
            return node, place
        from_ = node.args.get("from_")
        single = len(node.selects) == 1 and isinstance(node.selects[0], exp.Star) and not node.args.get("joins")
        if not single or from_ is None or not isinstance(from_.this, exp.Table):
            return None
        following = ctes.get(from_.this.name.lower())
        if following is None:
            return None
        node = following
    return None


def _reads(reader: ModelReport, column: str, result: Relation | None, project: Project) -> bool:
    """Whether a model may read a column: it names it, or passes it on with a star."""
    if reader.kind is Kind.enterprise_only:
        return False
    texts = [reader.new_text or reader.old_text]
    texts += [text for name, text in project.compiled.texts.items() if name == reader.name and reader.new_text is None]
    if any(re.search(rf"(?<!\w){re.escape(column)}(?!\w)", text, re.IGNORECASE) for text in texts):
        return True
    if not any("*" in re.sub(r"count\s*\(\s*\*\s*\)", "", text, flags=re.IGNORECASE) for text in texts):
        return False
    return result is None or not result.complete or column in result.columns


def _is_tested(project: Project, model: str, column: str) -> bool:
    """Whether a test outside the model's own YAML entry, an analysis or a macro names the column beside the model."""
    word = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    files = (*project.tests, *project.analyses)
    if any(word.search(file.text) and model in {m["model"] for m in REF.finditer(file.text)} for file in files):
        return True
    field = re.compile(rf"\bfield:\s*['\"]?{re.escape(column)}\b", re.IGNORECASE)
    return any(field.search(text) for text in project.yaml.values()) or any(
        word.search(file.text) for file in project.macros.values() if not file.path.startswith("dbt_packages/")
    )


def _without(report: ModelReport, column: str, facts: tuple[str, ...], dialect: str) -> ModelReport:
    """The model without one column; the same where it cannot be cut out cleanly."""
    text = report.new_text or report.old_text
    try:
        variant = Variant.last if report.seen_as == "last branches" else Variant.first
        masked = mask(text, variant)
        tree = parse(masked.sql, dialect)
        edit = _cut(tree, masked, column)
        if edit is None:
            return report
        changed = patched(text, [edit])
        parse(mask(changed, variant).sql, dialect)
    except (NotParsed, JinjaError):
        return report
    start, end = edit.span
    cut = CutReport(rule=_RULE, facts=facts, line=masked.line(start), removed=" ".join(text[start:end].split()))
    dropped = (*report.columns_dropped, column)
    return report.model_copy(update={"new_text": changed, "cuts": (*report.cuts, cut), "columns_dropped": dropped})


def _cut(tree: Tree, masked: Masked, column: str) -> Edit | None:
    found = find_projection(tree.root, column)
    if found is None or any(True for _ in tree.root.find_all(exp.SetOperation)):
        return None
    select, place = found
    spans = [tree.span(p) for p in select.selects]
    numbered = [clause for key in ("group", "order") if isinstance(clause := select.args.get(key), exp.Expr)]
    named = len(re.findall(rf"(?<!\w){re.escape(column)}(?!\w)", masked.sql, re.IGNORECASE))
    own = tree.text(select.selects[place])
    inside = len(re.findall(rf"(?<!\w){re.escape(column)}(?!\w)", own, re.IGNORECASE))
    if len(spans) < 2 or None in spans or named > inside or select.args.get("distinct"):
        return None
    if any(literal.is_number for clause in numbered for literal in clause.find_all(exp.Literal)):
        return None
    if any(clause.args.get("all") for clause in numbered):  # it may stand for a macro that counts columns
        return None
    span = without_item([s for s in spans if s is not None], place)
    return None if masked.tears(*span) else delete(_RULE, (), span)
