"""Taking a mixed dbt project and its workbooks apart, as flows: what the commands do, with artifacts in the UI."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prefect import flow
from prefect.artifacts import LinkArtifact, MarkdownArtifact, TableArtifact

from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.failures import Failure, StepFailed
from flows.parameters import PathOrNone
from flows.time_limit import time_limited
from split.report import Findings, decisions, progress
from split.stages import Inputs, Reported, classified, disagreements, proposed, verified
from split.workbooks import workbooks_read


@flow(name="split-classify", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def split_classify(
    project: Path, facts: Path, output: Path, schema_file: PathOrNone = None, compiled: PathOrNone = None
) -> dict[str, int]:
    """Say of every model what it is about. Writes the report and nothing else.

    Args:
        project: Folder of the dbt project, where the run happens.
        facts: The facts file (YAML).
        output: Folder for the report.
        schema_file: File with the rows of INFORMATION_SCHEMA.COLUMNS as JSON.
        compiled: dbt's target folder, for what macros and loops become.

    Returns:
        models by class.

    Raises:
        ConfigurationError: the facts or the project cannot be read, or the output folder is in use.
    """
    reported = await asyncio.to_thread(classified, Inputs(project, facts, schema_file, compiled), output)
    await _publish(reported)
    return reported.findings.project.counts()


@flow(name="split-propose", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def split_propose(
    project: Path, facts: Path, output: Path, schema_file: PathOrNone = None, compiled: PathOrNone = None
) -> list[str]:
    """Write the project without Enterprise into a folder of its own.

    Args:
        project: Folder of the dbt project, where the run happens; it is not changed.
        facts: The facts file (YAML).
        output: Folder for the proposal, with one patch a model.
        schema_file: File with the rows of INFORMATION_SCHEMA.COLUMNS as JSON.
        compiled: dbt's target folder, for what macros and loops become.

    Returns:
        names of the models with a patch.

    Raises:
        ConfigurationError: the facts or the project cannot be read, or the output folder is in use.
    """
    reported, proposal = await asyncio.to_thread(proposed, Inputs(project, facts, schema_file, compiled), output)
    await _publish(reported)
    return list(proposal.patches)


@flow(name="split-verify", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def split_verify(project: Path, facts: Path, proposal: Path, extracts: PathOrNone = None) -> dict[str, str]:
    """Build old and new over the same rows and compare.

    Args:
        project: Folder of the dbt project as it is.
        facts: The facts file (YAML).
        proposal: Folder that split-propose wrote.
        extracts: Folder of Commercial-only files, one a source table.

    Returns:
        verdict by model.

    Raises:
        StepFailed: a model differs or was not built.
    """
    reported = await asyncio.to_thread(verified, Inputs(project, facts), proposal, extracts=extracts)
    await _publish(reported)
    if wrong := disagreements(reported.findings):
        remedy = f"Look at its differences on {reported.page}."
        raise StepFailed("split", [Failure("split", name, "old and new are not the same", remedy) for name in wrong])
    return {check.name: check.verdict.value for check in reported.findings.checks}


@flow(name="split-workbooks", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def split_workbooks(
    workbooks: Path, facts: Path, output: Path, project: PathOrNone = None, schema_file: PathOrNone = None
) -> dict[str, int]:
    """Say of every calculation, query and filter of Tableau workbooks what it is about; write changed copies.

    Args:
        workbooks: A workbook or data source, or a folder of them, where the run happens; they are not changed.
        facts: The facts file (YAML).
        output: Folder for the copies and the report.
        project: Folder of the dbt project that makes the tables which the workbooks read.
        schema_file: File with the rows of INFORMATION_SCHEMA.COLUMNS as JSON.

    Returns:
        items by class.

    Raises:
        ConfigurationError: the workbooks, the facts or the project cannot be read, or the output folder is in use.
        StepFailed: a file, or a text in one, could not be read; the rest was.
    """
    found = await asyncio.to_thread(
        workbooks_read, [workbooks], facts, project=project, schema=schema_file, output=output
    )
    table = [
        {
            "workbook": w.path,
            "line": i.line,
            "item": f"{i.what} {i.name}",
            "class": i.kind.value,
            "state": i.state.value,
        }
        for w in found.report.workbooks
        for i in w.items
    ]
    await publish(TableArtifact(key="split-workbooks", table=table, description="Items of the workbooks"))
    if found.page is not None:
        link = found.page.resolve().as_uri()
        await publish(LinkArtifact(key="split-workbooks-report", link=link, link_text="The report of the workbooks"))
    if problems := found.report.problems:
        remedy = f"Correct it, or see what else was read on {found.page}."
        raise StepFailed("split", [Failure("split", f"{p.path}:{p.line}", p.message, remedy) for p in problems])
    return found.report.counts()


async def _publish(reported: Reported) -> None:
    findings = reported.findings
    table = [
        {"model": m.name, "class": m.label, "state": findings.state(m).value, "cuts": len(m.cuts), "path": m.path}
        for m in findings.project.models
    ]
    await publish(TableArtifact(key="split-classes", table=table, description=f"Models of {findings.project.name}"))
    await publish(MarkdownArtifact(key="split-decisions", markdown=decisions_markdown(findings)))
    await publish(LinkArtifact(key="split-report", link=reported.page.resolve().as_uri(), link_text="The report"))


def decisions_markdown(findings: Findings) -> str:
    """What waits for an owner, and how far the project is."""
    so_far = progress(findings)
    lines = [f"# {findings.project.name}: decisions", ""]
    lines += [f"{so_far.done} models done, {so_far.waiting} waiting, {so_far.refused} refused.", ""]
    lines += [f"- `{model.name}`: {' '.join(text.split())}" for model, text in decisions(findings)]
    return "\n".join(lines if decisions(findings) else [*lines, "Nothing waits for an owner."])
