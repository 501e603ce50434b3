"""What the pages point at exists: links, anchors, settings, and a runbook section for every error."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from connectors import errors
from docs import generate

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"])
_CODE = re.compile(r"```.*?```", re.DOTALL)
_ELSEWHERE = {"MGDW_HOME", "MGDW_IMAGE"}
"""Variables that no settings class reads."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", page.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name} links to {target}"


def test_every_error_has_a_section_in_the_runbook() -> None:
    names = {name for name, value in vars(errors).items() if _is_error(value)}
    sections = set(re.findall(r"^### (\w+)$", (ROOT / "docs/runbooks/failures.md").read_text(), re.MULTILINE))
    assert sections == names


def test_every_section_of_the_runbook_says_where_to_look_what_to_do_and_how_to_be_sure() -> None:
    for section in (ROOT / "docs/runbooks/failures.md").read_text().split("\n### ")[1:]:
        steps = re.findall(r"^- \*\*([^*]+)\*\*", section, re.MULTILINE)
        assert steps == ["First look", "Fix", "To be sure"], section.splitlines()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_a_page_names_exists(page: Path) -> None:
    known = {m.variable(name) for m in generate.settings_models() for name in m.model_fields} | _ELSEWHERE
    named = set(re.findall(r"\bMGDW_[A-Z0-9_]+[A-Z0-9]\b", page.read_text()))
    assert named <= known, f"{page.name}: {sorted(named - known)}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, errors.MgdwError)
