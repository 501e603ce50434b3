"""The cutover to another instance, rehearsed: two orgs on loopback, compared with the contract and with each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.batch import BatchRequest
from connectors.contract import Column, DataType, load_contract
from connectors.errors import CredentialsRefused
from connectors.lake.local import LocalLake
from connectors.salesforce.preflight import PreflightReport, Problem, compare
from connectors.window import Window
from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, create_app
from sandbox.server import Servers
from tests.connectors.salesforce.conftest import OPPORTUNITY, USER, Pauses, Served, rows
from tests.connectors.salesforce.test_choice import FLAT, TYPED
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id

TABLES = (FLAT, OPPORTUNITY, USER)


@pytest.fixture
def following(servers: Servers) -> Served:
    """The next instance: the same rows under the same ids, until a test changes it."""
    world, faults, credentials = TinyWorld(), Faults(), SalesforceCredentials(client_secret="another-secret")
    app = create_app(world, credentials, faults, SalesforceOptions(bulk_page_rows=10))
    return Served(servers.serve(app, date_header=False), world, app.state.org, faults, credentials, Pauses())


async def check(served: Served, following: Served, *tables: object) -> PreflightReport:
    return await compare(served.settings(), following.settings(), tables or TABLES)  # type: ignore[arg-type]


def said(report: PreflightReport) -> set[tuple[str, str, bool]]:
    return {(p.field or p.table, p.problem, p.blocks) for p in report.problems}


async def test_two_equal_instances_have_no_problem(served: Served, following: Served) -> None:
    report = await check(served, following)
    assert report.problems == ()
    assert report.is_ready
    assert {(c.table, c.present, c.following) for c in report.counts} == {
        ("sfdc_account", 36, 36), ("sfdc_opportunity", 5, 5), ("sfdc_user", 1, 1),
    }  # fmt: skip
    assert "Nothing blocks the cutover" in report.markdown()


async def test_what_is_missing_hidden_or_of_another_type_blocks(served: Served, following: Served) -> None:
    world = following.world
    world.sql('DROP TABLE salesforce."Opportunity"')
    world.sql('ALTER TABLE salesforce."Account" DROP COLUMN "Type"')
    world.sql('ALTER TABLE salesforce."Account" ALTER "AnnualRevenue" TYPE VARCHAR')
    following.org.options.hidden = frozenset({"Account.CreatedDate"})
    report = await check(served, following)
    assert said(report) == {
        ("sfdc_opportunity", "object Opportunity is missing or hidden", True),
        ("Type", "missing, or hidden from the integration user", True),
        ("CreatedDate", "missing, or hidden from the integration user", True),
        (
            "AnnualRevenue",
            "is string, was currency; column annual_revenue is NUMERIC and does not hold every string",
            True,
        ),
    }
    assert not report.is_ready
    assert all(problem.remedy for problem in report.problems)


async def test_a_type_that_the_column_holds_and_values_that_are_gone_want_a_look(
    served: Served, following: Served
) -> None:
    following.world.sql('ALTER TABLE salesforce."Account" ALTER "AnnualRevenue" TYPE BIGINT')
    served.org.options.picklists = {"Account.Type": ("Customer", "Prospect", "Partner")}
    following.org.options.picklists = {"Account.Type": ("Customer",)}
    report = await check(served, following)
    assert said(report) == {
        ("AnnualRevenue", "is int, was currency; its column holds both", False),
        ("Type", "does not offer 'Prospect', 'Partner'", False),
    }
    assert report.is_ready


async def test_what_neither_instance_has_is_told_so(served: Served, following: Served) -> None:
    unknown = Column("x", DataType.STRING, "Nowhere__c", "")
    report = await check(served, following, replace(FLAT, columns=(*FLAT.columns, unknown)))
    assert said(report) == {("Nowhere__c", "missing, or hidden from the integration user, in neither instance", True)}


async def test_a_parents_field_needs_its_relationship(served: Served, following: Served) -> None:
    following.world.sql('ALTER TABLE salesforce."Account" DROP COLUMN "OwnerId"')
    report = await check(served, following, TYPED)
    assert ("Owner.Username", "missing, or hidden from the integration user", True) in said(report)


async def test_new_ids_fewer_records_and_lost_deletions_are_told(served: Served, following: Served) -> None:
    world = following.world
    world.sql("""UPDATE salesforce."Account" SET "Id" = replace("Id", '0010', '0019')""")
    world.sql('DELETE FROM salesforce."Account" WHERE "NumberOfEmployees" > 30')
    world.sql('DELETE FROM salesforce."Opportunity"')
    following.org.options.unreplicated = frozenset({"User"})
    assert said(await check(served, following)) == {
        ("Id", "0 of 36 sampled ids exist", False),
        ("sfdc_account", "9 fewer records than at present", False),
        ("sfdc_opportunity", "no records, 5 at present", True),
        ("sfdc_user", "deletions are no longer logged for the object", False),
    }


async def test_an_api_version_the_next_instance_does_not_serve_blocks(served: Served, following: Served) -> None:
    following.org.options.latest_version = 61.0
    report = await check(served, following)
    assert said(report) == {("", "API version 62.0 is not served; the newest is 61.0", True)}
    assert report.counts == ()


async def test_the_same_instance_twice_is_noticed(served: Served) -> None:
    assert said(await check(served, served)) == {("", "both settings name the same instance", False)}


async def test_a_count_that_takes_too_long_is_unknown(served: Served, following: Served) -> None:
    body = [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}]
    following.faults.arm("GET .*/query/", times=None, status=400, body=body)
    report = await check(served, following, FLAT)
    assert report.problems == ()
    assert "| sfdc_account | 36 | unknown |" in report.markdown()


async def test_an_instance_that_refuses_the_login_is_named(served: Served, following: Served) -> None:
    wrong = following.settings(client_secret="not-the-secret")
    with pytest.raises(CredentialsRefused, match="next instance: ") as caught:
        await compare(served.settings(), wrong, TABLES)
    assert "not-the-secret" not in str(caught.value)


async def test_a_permission_missing_for_one_table_does_not_hide_the_others(served: Served, following: Served) -> None:
    body = [{"errorCode": "INSUFFICIENT_ACCESS", "message": "insufficient access rights"}]
    following.faults.arm("GET .*/Account/describe", status=403, body=body)
    report = await check(served, following)
    assert {c.table for c in report.counts} == {"sfdc_account", "sfdc_opportunity", "sfdc_user"}
    assert [(p.table, p.blocks) for p in report.problems] == [("sfdc_account", True)]


def test_the_report_is_a_page_for_people() -> None:
    problem = Problem("sfdc_account", "A|B", "is int\nnow", "Look.")
    text = PreflightReport("https://a", "https://b", (problem, replace(problem, blocks=True)), ()).markdown()
    assert text.startswith("# Salesforce: from https://a to https://b\n\n**1 problem blocks** the cutover; 1 more")
    assert text.index("| yes |") < text.index("|  | sfdc_account")
    assert "A\\|B" in text
    assert "is int now" in text


async def test_one_setting_moves_everything_to_the_next_instance(
    served: Served, following: Served, lake: LocalLake
) -> None:
    following.world.sql('UPDATE salesforce."Account" SET "Name" = \'moved\'')
    request = BatchRequest(FLAT, Window(None, served.world.now))
    async with following.source() as source:
        (manifest,) = [manifest async for manifest in source.extract([request], lake)]
    assert {row["Name"] for row in rows(lake, manifest)} == {"moved"}
    assert rows(lake, manifest)[0]["Id"] == account_id(1)
    assert served.faults.seen == []


async def test_the_contract_itself_can_be_checked(served: Served, following: Served) -> None:
    report = await check(served, following, *load_contract().of("salesforce"))
    missing = {problem.table for problem in report.problems if "missing" in problem.problem}
    assert {"sfdc_contact", "sfdc_lead", "sfdc_campaign"} <= missing
