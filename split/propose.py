"""The project without Enterprise, written into a folder of its own, with one patch a model. The original stays."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from split.dbt.project import REF, Project
from split.dbt.yaml_entries import Gone, without_entries
from split.report_model import CutReport, LeftReport, ModelReport, ProjectReport
from split.sql.engine import Kind

MARK = ".mgdw-split"
"""The file that says that a folder is an earlier proposal, and may be written anew."""
PATCHES = "patches"
PROJECT = "project"
_LEFT_OUT = shutil.ignore_patterns("target", "logs", "dbt_packages", ".git", ".venv", "__pycache__", "*.duckdb")


class NotEmpty(FileExistsError):
    """The folder to write to holds something that is no earlier proposal."""


@dataclass(frozen=True)
class Proposal:
    """What was written.

    Attributes:
        project: the new project's folder.
        patches: one file a model that changes or goes, by its name.
        removed: models and snapshots that are left out.
        kept: Enterprise-only models that something still reads, with the reason; they stay as they are.
        changed_files: other files (YAML, tests) that changed or went, relative to the project.
    """

    project: Path
    patches: Mapping[str, Path]
    removed: tuple[str, ...]
    kept: tuple[LeftReport, ...]
    changed_files: tuple[str, ...]


def propose(project: Project, report: ProjectReport, to: Path) -> Proposal:
    """Write the new project and the patches. Raises NotEmpty, and ValueError for a folder around or in the project."""
    original, target = project.path.resolve(), to.resolve()
    if target == original or original in target.parents or target in original.parents:
        raise ValueError(f"{to} is not apart from the project {project.path}; name another folder")
    if target.exists() and any(target.iterdir()) and not (target / MARK).is_file():
        raise NotEmpty(f"{to} is not empty and no earlier proposal; name a new folder")
    removed, kept = removable(project, report)
    if target.exists():
        for name in (PROJECT, PATCHES):
            shutil.rmtree(target / name, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    (target / MARK).write_text("Written by `mgdw split propose`; the next run replaces it.\n", encoding="utf-8")
    copy = target / PROJECT
    shutil.copytree(project.path, copy, ignore=_LEFT_OUT)
    patches = target / PATCHES
    patches.mkdir()
    written: dict[str, Path] = {}
    for model in report.models:
        goes = model.name in removed
        if not goes and model.new_text is None:
            continue
        new = "" if goes else model.new_text or ""
        patch = patches / f"{model.name}.patch"
        _write(patch, _head(model, goes=goes) + _diff(model.path, model.old_text, new, goes=goes))
        written[model.name] = patch
        if not model.path.endswith(".sql"):
            continue
        if goes:
            (copy / model.path).unlink()
        else:
            _write(copy / model.path, new)
    dropped = {model.name: frozenset(model.columns_dropped) for model in report.models if model.columns_dropped}
    changed = [*_tests(project, copy, removed), *_yaml(project, copy, Gone(removed, dropped))]
    return Proposal(copy, written, tuple(sorted(removed)), kept, tuple(changed))


def removable(project: Project, report: ProjectReport) -> tuple[frozenset[str], tuple[LeftReport, ...]]:
    """Enterprise-only models that nothing reads in the new texts, and why the others have to stay."""
    texts = {m.name: m.new_text or m.old_text for m in report.models}
    going = {m.name for m in report.models if m.kind is Kind.enterprise_only}
    files: dict[str, set[str]] = {}
    for node in project.models:
        files.setdefault(node.path, set()).add(node.name)
    kept: dict[str, LeftReport] = {}
    while True:
        read = {name: reader for reader, text in texts.items() if reader not in going for name in _refs(text)}
        staying = {name for name in going if name in read or not files[project.model(name).path] <= going}
        for name in staying:
            why = f"still read by {read[name]}" if name in read else "its file holds something else too"
            kept[name] = LeftReport(line=0, reason=f"{name} is enterprise-only, but {why}")
        if not staying:
            return frozenset(going), tuple(kept.values())
        going -= staying


def _refs(text: str) -> set[str]:
    return {m["model"] for m in REF.finditer(text)}


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:  # line ends as they are in the text
        out.write(text)


def _head(model: ModelReport, *, goes: bool) -> str:
    lines = [f"{model.name}: {model.label}" + ("; the model goes" if goes else "")]
    lines += [
        f"  line {c.line}: {c.rule}: {c.removed[:160]}" + (f" -> {c.added[:80]}" if c.added else "") + _because(c)
        for c in model.cuts
    ]
    lines += [
        f"  line {e.line}: {e.text}" if e.line else f"  {e.text}" for e in model.evidence if goes or model.hand_edit
    ]
    lines += [f"  comment that goes with it: {' '.join(text.split())}" for c in model.cuts for text in c.lost_comments]
    lines += [f"  left to you, line {left.line}: {left.reason}" for left in model.left]
    lines += [f"  {r.column}: cast to {r.old_type}, would be {r.new_type}" for r in model.type_repairs if r.repaired]
    lines += [f"  read by {', '.join(model.downstream)}"] if model.downstream else []
    lines += [f"  exposures: {', '.join(model.exposures)}"] if model.exposures else []
    return "\n".join(lines) + "\n\n"


def _because(cut: CutReport) -> str:
    why = [*cut.facts, *(["the type may change"] if cut.type_at_risk else [])]
    return f" ({'; '.join(why)})" if why else ""


def _diff(path: str, old: str, new: str, *, goes: bool) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{path}", "/dev/null" if goes else f"b/{path}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _tests(project: Project, copy: Path, removed: frozenset[str]) -> Iterable[str]:
    """Tests and analyses that read a model that is gone go too."""
    for file in (*project.tests, *project.analyses):
        if _refs(file.text) & removed:
            (copy / file.path).unlink()
            yield file.path


def _yaml(project: Project, copy: Path, gone: Gone) -> Iterable[str]:
    """YAML files without the entries of models that are gone, and without what refers to them."""
    for path, text in project.yaml.items():
        changed = without_entries(text, gone)
        if changed != text:
            _write(copy / path, changed)
            yield path
