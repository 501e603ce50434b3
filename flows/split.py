"""Taking a mixed dbt project apart, as flows: what the commands do, with artifacts in the UI."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prefect import flow
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact

from flows.alerts import tell_slack
from flows.failures import Failure, StepFailed
from split.report import Findings, decisions, progress
from split.stages import Inputs, Reported, classified, disagreements, proposed, verified


@flow(name="split-classify", on_failure=[tell_slack], on_crashed=[tell_slack])
async def split_classify(
    project: Path, facts: Path, output: Path, schema_file: Path | None = None, compiled: Path | None = None
) -> dict[str, int]:
    """Say of every model what it is about. Writes the report and nothing else.

    Args:
        project: folder of the dbt project.
        facts: the facts file.
        output: folder for the report.
        schema_file: JSON rows of INFORMATION_SCHEMA.COLUMNS.
        compiled: dbt's target folder.

    Returns:
        models by class.

    Raises:
        ConfigurationError: the facts or the project cannot be read, or the output folder is in use.
    """
    reported = await asyncio.to_thread(classified, Inputs(project, facts, schema_file, compiled), output)
    await _publish(reported)
    return reported.findings.project.counts()


@flow(name="split-propose", on_failure=[tell_slack], on_crashed=[tell_slack])
async def split_propose(
    project: Path, facts: Path, output: Path, schema_file: Path | None = None, compiled: Path | None = None
) -> list[str]:
    """Write the project without Enterprise into a folder of its own. Arguments and errors as `split_classify`.

    Returns:
        names of the models with a patch.
    """
    reported, proposal = await asyncio.to_thread(proposed, Inputs(project, facts, schema_file, compiled), output)
    await _publish(reported)
    return list(proposal.patches)


@flow(name="split-verify", on_failure=[tell_slack], on_crashed=[tell_slack])
async def split_verify(project: Path, facts: Path, proposal: Path, extracts: Path | None = None) -> dict[str, str]:
    """Build old and new over the same rows and compare.

    Args:
        proposal: folder that `split_propose` wrote.
        extracts: folder of Commercial-only files, one a source table.

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


async def _publish(reported: Reported) -> None:
    findings = reported.findings
    table = [
        {"model": m.name, "class": m.label, "state": findings.state(m).value, "cuts": len(m.cuts), "path": m.path}
        for m in findings.project.models
    ]
    await acreate_table_artifact(key="split-classes", table=table, description=f"Models of {findings.project.name}")
    await acreate_markdown_artifact(key="split-decisions", markdown=decisions_markdown(findings))
    await acreate_link_artifact(key="split-report", link=reported.page.resolve().as_uri(), link_text="The report")


def decisions_markdown(findings: Findings) -> str:
    """What waits for an owner, and how far the project is."""
    so_far = progress(findings)
    lines = [f"# {findings.project.name}: decisions", ""]
    lines += [f"{so_far.done} models done, {so_far.waiting} waiting, {so_far.refused} refused.", ""]
    lines += [f"- `{model.name}`: {' '.join(text.split())}" for model, text in decisions(findings)]
    return "\n".join(lines if decisions(findings) else [*lines, "Nothing waits for an owner."])
