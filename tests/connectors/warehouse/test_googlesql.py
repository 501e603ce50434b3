"""Statements of both warehouses said in GoogleSQL: quotes, escapes, instants, names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.api_core import exceptions as google
from google.auth import exceptions as auth

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    InternalError,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SourceUnavailable,
    UnknownObject,
)
from connectors.warehouse.bigquery.errors import explained, is_away, is_conflict, is_passing
from connectors.warehouse.bigquery.googlesql import spoken, text
from connectors.warehouse.bigquery.jobs import label
from connectors.warehouse.sql import name, stamp
from connectors.warehouse.sql import text as literal


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("it's", r"'it\'s'"),
        ("a\\b", r"'a\\b'"),
        ("two\nlines\r", r"'two\nlines\r'"),
        ('"quoted" `so`', "'\"quoted\" `so`'"),
        ("temp.batch_stage rowid VARCHAR STG", "'temp.batch_stage rowid VARCHAR STG'"),
        ("", "''"),
    ],
)
def test_a_text_stays_the_text_it_is(value: str, said: str) -> None:
    assert spoken(f"SELECT {literal(value)} AS x", dataset="STG") == f"SELECT {said} AS x"
    assert text(value) == said


def test_names_are_quoted_and_stg_is_the_dataset() -> None:
    odd = name('a"b`c')
    assert spoken(f"FROM {name('STG')}.{odd} t", dataset="DEV") == 'FROM `DEV`.`a"b\\`c` t'


def test_an_instant_says_its_zone() -> None:
    at = datetime(2026, 6, 15, 12, 0, 0, 5, tzinfo=UTC)
    assert spoken(f"x > {stamp(at)}", dataset="STG") == "x > TIMESTAMP '2026-06-15 12:00:00.000005+00'"


def test_temporary_tables_types_and_row_ids_have_their_own_names() -> None:
    said = spoken(
        "SELECT s.rowid, CAST(x AS VARCHAR) FROM temp.batch_stage s, temp.batch_met", dataset="STG",
        relations={"temp.batch_stage": "(SELECT 1)"},
    )  # fmt: skip
    assert said == "SELECT s._row, CAST(x AS STRING) FROM (SELECT 1) s, batch_met"


@pytest.mark.parametrize(
    ("value", "said"),
    [("sfdc_account", "sfdc_account"), ("Load Müller/7", "load-m-ller-7"), ("x" * 80, "x" * 63)],
)
def test_a_label_follows_bigquerys_rules(value: str, said: str) -> None:
    assert label(value) == said


def refused(kind: type[google.GoogleAPICallError], message: str, reason: str = "") -> google.GoogleAPICallError:
    return kind(message, errors=[{"reason": reason, "message": message}])


DENIED = "Access Denied: Table p:STG.x: Permission bigquery.tables.updateData denied on table p:STG.x for a@b.iam.com"


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (refused(google.Forbidden, DENIED, "accessDenied"), PermissionMissing, "a@b.iam.com the role .*dataEditor"),
        (refused(google.Forbidden, "Quota exceeded: x", "quotaExceeded"), RateLimited, "Run again later"),
        (refused(google.Forbidden, "too fast", "rateLimitExceeded"), RateLimited, "slow down"),
        (refused(google.Forbidden, "Billing has not been enabled", "billingNotEnabled"), ConfigurationError, "billing"),
        (refused(google.NotFound, "Not found: Dataset p:STG was not found in location EU"), ConfigurationError, "EU"),
        (refused(google.NotFound, "Not found: Project nowhere"), UnknownObject, "MGDW_GCP_PROJECT"),
        (refused(google.BadRequest, "Query exceeded limit for bytes billed: 10. 20 or higher required."),
         ConfigurationError, "MGDW_MAXIMUM_BYTES_BILLED"),
        (refused(google.BadRequest, "Syntax error", "invalidQuery"), InternalError, "refused a statement"),
        (refused(google.ServiceUnavailable, "try again", "backendError"), SourceUnavailable, "nothing is loaded twice"),
        (google.Unauthorized("no"), CredentialsRefused, "refused the credentials"),
        (auth.DefaultCredentialsError("none"), ConfigurationError, "application-default login"),
        (auth.RefreshError("expired"), CredentialsRefused, "expired"),
        (auth.TransportError("no route"), SourceUnavailable, "no answer"),
    ],
)  # fmt: skip
def test_what_google_says_becomes_one_error_with_a_remedy(error: Exception, kind: type[MgdwError], says: str) -> None:
    with pytest.raises(kind, match=rf"(?s){says}") as caught, explained("STG.x"):
        raise error
    assert caught.value.__cause__ is error


def test_a_denial_carries_its_facts() -> None:
    with pytest.raises(PermissionMissing) as caught, explained("STG.x"):
        raise refused(google.Forbidden, DENIED, "accessDenied")
    assert caught.value.facts == {
        "permission": "bigquery.tables.updateData", "role": "roles/bigquery.dataEditor", "principal": "a@b.iam.com",
    }  # fmt: skip


def test_what_is_tried_again_and_what_is_not() -> None:
    aborted = "Transaction is aborted due to concurrent update against table p:STG._fence_x. Transaction ID: 1"
    assert is_conflict(refused(google.BadRequest, aborted, "invalidQuery"))
    assert not is_conflict(refused(google.BadRequest, "Syntax error", "invalidQuery"))
    assert is_passing(refused(google.Forbidden, "slow", "rateLimitExceeded"))
    assert not is_passing(refused(google.Forbidden, "Quota", "quotaExceeded"))
    assert is_away(google.ServiceUnavailable("x")) and not is_away(google.Conflict("there already"))
