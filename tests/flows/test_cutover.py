"""One setting moves the salesforce flow to another org: preflight first, then everything is read anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.failures import StepFailed
from flows.load import LoadFailed
from flows.salesforce import salesforce
from flows.salesforce_preflight import salesforce_preflight
from sandbox.faults import Faults
from sandbox.salesforce.app import create_app
from sandbox.salesforce.credentials import SalesforceCredentials
from sandbox.salesforce.options import SalesforceOptions
from sandbox.server import Servers
from sandbox.world import World
from tests.flows.conftest import Stage
from tests.flows.oracle import Oracle

TABLES = ["sfdc_user", "sfdc_campaign", "sfdc_account"]


@dataclass(frozen=True)
class NextOrg:
    """Another org, with a business of its own."""

    url: str
    world: World
    credentials: SalesforceCredentials
    options: SalesforceOptions

    @property
    def settings(self) -> dict[str, str]:
        return {
            "MGDW_SALESFORCE_NEXT_LOGIN_URL": self.url,
            "MGDW_SALESFORCE_NEXT_CLIENT_ID": self.credentials.client_id,
            "MGDW_SALESFORCE_NEXT_CLIENT_SECRET": self.credentials.client_secret,
        }


@pytest.fixture(scope="module")
def following() -> Iterator[NextOrg]:
    world = World.create(scale=0.1, seed=11)
    _give_other_ids(world)
    credentials = SalesforceCredentials(
        client_id="next.client", client_secret="next-secret", organization_id="00D9z000009nextEAA"
    )
    app = create_app(world, credentials, Faults(), None)
    with Servers() as servers:
        yield NextOrg(servers.serve(app, date_header=False), world, credentials, app.state.org.options)
    world.close()


def _give_other_ids(world: World) -> None:
    """Ids of another org: the characters after the object's prefix name its instance."""
    schemas = world.sql("SELECT table_schema FROM information_schema.tables WHERE table_name = 'Campaign'").fetchall()
    for (schema,) in schemas:
        for (table,) in world.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [schema]
        ).fetchall():
            texts = [name for name, of in world.columns(schema, table) if of == "VARCHAR"]
            moved = ", ".join(f"\"{n}\" = replace(\"{n}\", '5g0000', '9z0000')" for n in texts)
            world.sql(f'UPDATE "{schema}"."{table}" SET {moved}')


def test_an_org_that_lacks_a_field_is_found_before_the_cutover(stage: Stage, following: NextOrg) -> None:
    following.options.hidden = frozenset({"Campaign.ActualCost"})
    try:
        with pytest.raises(StepFailed) as caught:
            stage.run(salesforce_preflight, following.settings)
    finally:
        following.options.hidden = frozenset()
    assert [(f.what, "ActualCost" in f.cause) for f in caught.value.failures] == [("sfdc_campaign", True)]
    assert stage.run(salesforce_preflight, following.settings).is_ready


def test_one_setting_moves_to_the_next_org_and_everything_is_read_anew(
    stage: Stage, following: NextOrg, tmp_path: Path
) -> None:
    stage.run(salesforce, tables=TABLES)
    moved = {**following.settings, "MGDW_SALESFORCE_INSTANCE": "next"}

    with pytest.raises(LoadFailed, match="MGDW_DELETE_SHARE"):
        stage.run(salesforce, moved, tables=TABLES)

    results = stage.run(salesforce, {**moved, "MGDW_DELETE_SHARE": "1"}, tables=TABLES)
    assert all(result.window.is_snapshot for result in results)
    assert Oracle(tmp_path / "next.duckdb", following.world).differences(stage.database, TABLES) == {}
    assert stage.run(salesforce, moved, tables=TABLES) == []


def test_going_back_reads_everything_anew_as_well(stage: Stage, tmp_path: Path) -> None:
    stage.sandbox.advance()
    results = stage.run(salesforce, {"MGDW_DELETE_SHARE": "1"}, tables=TABLES)
    assert all(result.window.is_snapshot for result in results)
    oracle = Oracle(tmp_path / "present.duckdb", stage.sandbox.world)
    assert oracle.differences(stage.database, TABLES) == {}
