"""One client for the folder: boto3 takes its time to read the service's model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.bedrock.sdk import Loopback, client


@pytest.fixture(scope="session")
def shared_loopback() -> Iterator[Loopback]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        made = client()
    yield Loopback(made)
    made.close()


@pytest.fixture
def loopback(shared_loopback: Loopback) -> Loopback:
    """boto3, answered by the schema."""
    shared_loopback.understood.clear()
    shared_loopback.says()
    return shared_loopback
