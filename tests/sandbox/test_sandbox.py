"""The whole outside world starts, moves on and stops as one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from simple_salesforce import Salesforce

from connectors.netsuite.settings import NetSuiteSettings
from connectors.s3.settings import S3Settings
from connectors.salesforce.settings import SalesforceSettings
from connectors.tableau.settings import TableauSettings
from connectors.zuora.settings import ZuoraSettings
from sandbox.sandbox import SYSTEMS, Sandbox
from tests.sandbox.salesforce.conftest import ToSandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(scale=0.1) as sandbox:
        yield sandbox


def logged_in(sandbox: Sandbox) -> Salesforce:
    salesforce = Salesforce(session_id=sandbox.salesforce.log_in(), instance="mgdw.my.salesforce.com", version="62.0")
    salesforce.session.mount("https://", ToSandbox(sandbox.urls["salesforce"]))
    return salesforce


def keys(sandbox: Sandbox) -> set[str]:
    settings = S3Settings.model_validate(lowered(sandbox, "MGDW_S3_"))
    secret = settings.secret_access_key
    assert secret is not None
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value(),
    )
    listed = client.get_paginator("list_objects_v2").paginate(Bucket=settings.bucket)
    return {entry["Key"] for page in listed for entry in page.get("Contents", [])}


def lowered(sandbox: Sandbox, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in sandbox.environment().items()
        if name.startswith(prefix)
    }


def test_every_system_listens_on_loopback(sandbox: Sandbox) -> None:
    assert set(sandbox.urls) == {*SYSTEMS, "control"}
    for url in sandbox.urls.values():
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url).status_code < 500


def test_the_environment_is_what_the_settings_ask_for(sandbox: Sandbox) -> None:
    salesforce = SalesforceSettings.model_validate(lowered(sandbox, "MGDW_SALESFORCE_"))
    assert str(salesforce.login_url).rstrip("/") == sandbox.urls["salesforce"]
    netsuite = NetSuiteSettings.model_validate(lowered(sandbox, "MGDW_NETSUITE_"))
    assert netsuite.account == sandbox.netsuite.credentials.account
    zuora = ZuoraSettings.model_validate(lowered(sandbox, "MGDW_ZUORA_"))
    assert zuora.client_id == sandbox.zuora.credentials.client_id
    tableau = TableauSettings.model_validate(lowered(sandbox, "MGDW_TABLEAU_"))
    assert tableau.site == sandbox.tableau.site_url
    posted = httpx.post(sandbox.environment()["MGDW_SLACK_WEBHOOK_URL"], json={"text": "hello"})
    assert posted.text == "ok"
    assert sandbox.slack.texts[-1] == "hello"


def test_salesforce_serves_the_business(sandbox: Sandbox) -> None:
    salesforce = logged_in(sandbox)
    accounts = salesforce.query("SELECT COUNT() FROM Account")["totalSize"]
    assert (
        accounts
        == sandbox.world.sql(
            'SELECT count(*) FROM salesforce."Account" WHERE NOT "IsDeleted" AND "_deleted_at" IS NULL'
        ).fetchall()[0][0]
    )
    described = salesforce.describe()
    assert described is not None
    assert {one["name"] for one in described["sobjects"]} == {
        "Account", "Opportunity", "Contact", "Lead", "Campaign", "CampaignMember", "OpportunityLineItem", "User",
    }  # fmt: skip
    fields = {field["name"]: field for field in salesforce.Opportunity.describe()["fields"]}
    assert (fields["Amount"]["type"], fields["ARR__c"]["calculated"]) == ("currency", True)


def test_a_day_of_business_shows_in_every_source(sandbox: Sandbox) -> None:
    salesforce, before, files = logged_in(sandbox), sandbox.now, keys(sandbox)
    since = f"{before:%Y-%m-%dT%H:%M:%SZ}"
    changed = f"SELECT COUNT() FROM Opportunity WHERE SystemModstamp >= {since}"
    assert salesforce.query(changed)["totalSize"] == 0
    sandbox.advance(1)
    assert salesforce.query(changed)["totalSize"] > 0
    assert (sandbox.now - before).days == 1
    assert keys(sandbox) > files
    assert set(sandbox.world.file_events) <= keys(sandbox)


class TestControl:
    def test_moves_the_clock_and_reads_the_books(self, sandbox: Sandbox) -> None:
        with httpx.Client(base_url=sandbox.urls["control"], timeout=30) as control:
            assert control.get("/").json()["urls"] == sandbox.urls
            answer = control.post("/advance", json={"days": 2}).json()
            assert answer["business_time"] == f"{sandbox.now:%Y-%m-%dT%H:%M:%SZ}"
            books = control.get("/books").json()
            brand, month, currency, figure = books["arr"][0]
            key = next(
                key for key in sandbox.world.books().arr if str(key[1]) == month and key[::2] == (brand, currency)
            )
            assert figure == str(sandbox.world.books().arr[key])

    def test_arms_faults(self, sandbox: Sandbox) -> None:
        with httpx.Client(base_url=sandbox.urls["control"]) as control:
            armed = control.post("/faults/slack", json={"match": "POST", "status": 503, "times": 2}).json()
            assert armed["pending"] == [{"match": "POST", "times": 2, "after": 0}]
            webhook = sandbox.environment()["MGDW_SLACK_WEBHOOK_URL"]
            assert httpx.post(webhook, json={"text": "x"}).status_code == 503
            assert control.delete("/faults/slack").json() == {"pending": [], "seen": []}
            assert httpx.post(webhook, json={"text": "x"}).status_code == 200

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/advance", {"days": 0}, 400),
            ("/advance", [1], 400),
            ("/faults/slack", {"status": 500}, 400),
            ("/faults/slack", {"match": "("}, 400),
            ("/faults/slack", {"match": "x", "act": "y"}, 400),
            ("/faults/sap", {"match": "x"}, 404),
        ],
    )
    def test_refuses_nonsense_with_a_reason(self, sandbox: Sandbox, path: str, body: object, status: int) -> None:
        answer = httpx.post(sandbox.urls["control"] + path, json=body)
        assert answer.status_code == status
        assert answer.json()["error"]


def test_a_sandbox_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with Sandbox(scale=0.02):
        pass
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    env_file = tmp_path / "settings.env"
    command = [sys.executable, "-m", "sandbox", "--scale", "0.02", "--env-file", str(env_file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while "MGDW_SLACK_WEBHOOK_URL" not in (env_file.read_text() if env_file.exists() else ""):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert env_file.stat().st_mode & 0o077 == 0
        script = f"set -a; source {shlex.quote(str(env_file))}; env -0"
        sourced = subprocess.run(
            ["bash", "-c", script], capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
        )
        settings = dict(one.split("=", 1) for one in sourced.stdout.decode().split("\0") if "=" in one)
        assert settings["MGDW_SALESFORCE_PRIVATE_KEY"].startswith("-----BEGIN PRIVATE KEY-----\n")
        assert httpx.get(settings["MGDW_SALESFORCE_LOGIN_URL"] + "/services/data").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (0, "")
    assert "nothing is left running" in out
    assert not env_file.exists()
