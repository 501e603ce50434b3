"""The sandbox's bucket as an ordinary S3 client (boto3) sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from sandbox.s3 import REGION, S3Server

EARLY, LATE = datetime(2026, 6, 14, 3, 15, tzinfo=UTC), datetime(2026, 6, 15, 3, 15, tzinfo=UTC)


@dataclass(frozen=True)
class File:
    """A delivery."""

    key: str
    body: bytes | Path
    last_modified: datetime = EARLY


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


def client(server: S3Server, access_key: str | None = None, secret_key: str | None = None) -> Any:
    """A boto3 client with the server's keys, or others."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=access_key or server.credentials[0],
        aws_secret_access_key=secret_key or server.credentials[1],
        config=Config(retries={"total_max_attempts": 1}),
    )


def _refusal(server: S3Server, **keys: str) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        client(server, **keys).list_objects_v2(Bucket=server.bucket)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_a_delivered_file_is_listed_with_the_business_time_and_read_as_it_is(server: S3Server, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\x1f\x8bpacked")
    count = server.deliver([File("cm/usage/a.csv", b"a,b\n1,2\n"), File("cm/usage/b +ü=1%~.gz", tmp_path / "b", LATE)])

    found = client(server).list_objects_v2(Bucket=server.bucket, Prefix="cm/usage/")["Contents"]
    body = client(server).get_object(Bucket=server.bucket, Key="cm/usage/b +ü=1%~.gz")["Body"].read()

    assert count == 2
    assert {f["Key"]: f["LastModified"] for f in found} == {"cm/usage/a.csv": EARLY, "cm/usage/b +ü=1%~.gz": LATE}
    assert body == b"\x1f\x8bpacked"


def test_a_file_delivered_again_is_a_new_version_and_the_old_one_stays_readable(server: S3Server) -> None:
    server.deliver([File("a.csv", b"old")])
    old = client(server).head_object(Bucket=server.bucket, Key="a.csv")
    server.deliver([File("a.csv", b"new", LATE)])

    s3 = client(server)

    assert s3.get_object(Bucket=server.bucket, Key="a.csv")["Body"].read() == b"new"
    pinned = s3.get_object(Bucket=server.bucket, Key="a.csv", VersionId=old["VersionId"])
    assert pinned["Body"].read() == b"old"
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.get_object(Bucket=server.bucket, Key="a.csv", IfMatch=old["ETag"])


def test_a_withdrawn_file_is_gone(server: S3Server) -> None:
    server.deliver([File("a.csv", b"x")])
    server.withdraw("a.csv")

    assert client(server).list_objects_v2(Bucket=server.bucket)["KeyCount"] == 0


def test_a_long_listing_comes_in_pages(server: S3Server) -> None:
    server.deliver(File(f"{n:04}", b"x") for n in range(1203))

    pages = list(client(server).get_paginator("list_objects_v2").paginate(Bucket=server.bucket))

    assert [page["KeyCount"] for page in pages] == [1000, 203]


def test_wrong_keys_are_refused_as_amazon_does(server: S3Server) -> None:
    assert _refusal(server, access_key="AKIANOBODY") == (403, "InvalidAccessKeyId")
    assert _refusal(server, secret_key="wrong") == (403, "SignatureDoesNotMatch")


def test_a_request_without_signature_is_refused(server: S3Server) -> None:
    config = Config(signature_version=UNSIGNED)
    anonymous = boto3.client("s3", endpoint_url=server.url, region_name=REGION, config=config)
    with pytest.raises(ClientError, match="AccessDenied"):
        anonymous.list_objects_v2(Bucket=server.bucket)


def test_an_unknown_bucket_and_an_unknown_key_are_told_apart(server: S3Server) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client(server).list_objects_v2(Bucket="another-bucket")
    with pytest.raises(ClientError, match="NoSuchKey"):
        client(server).get_object(Bucket=server.bucket, Key="nothing")


def test_a_client_may_write_too(server: S3Server) -> None:
    client(server).put_object(Bucket=server.bucket, Key="a b.txt", Body=b"x" * 100_000)

    assert client(server).head_object(Bucket=server.bucket, Key="a b.txt")["ContentLength"] == 100_000


def test_faults_interfere(server: S3Server) -> None:
    server.faults.arm("GET .*list-type=2", status=503, body="<Error><Code>SlowDown</Code></Error>")

    assert _refusal(server) == (503, "SlowDown")
    assert client(server).list_objects_v2(Bucket=server.bucket)["KeyCount"] == 0


def test_two_servers_do_not_see_each_other_and_a_stopped_one_does_not_answer() -> None:
    with S3Server() as one, S3Server() as other:
        one.deliver([File("a", b"x")])
        other.deliver([File("a", b"y")])
        assert client(one).get_object(Bucket=one.bucket, Key="a")["Body"].read() == b"x"
        assert _refusal(other, access_key=one.credentials[0])[1] == "InvalidAccessKeyId"
    with pytest.raises(EndpointConnectionError):
        client(one).list_objects_v2(Bucket=one.bucket)
