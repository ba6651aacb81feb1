"""Object stores for the tests that want one: each runs once, and every test has a prefix of its own in them."""
import os

import pytest
from object_store import BUCKET, KEYS, FaultyProxy, moto, versitygw


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    with versitygw(tmp_path_factory.mktemp("versitygw")) as store:
        store.client().create_bucket(Bucket=BUCKET)
        store.client().create_bucket(Bucket="other")
        yield store


@pytest.fixture(scope="session")
def mock(tmp_path_factory):
    with moto(tmp_path_factory.mktemp("moto")) as store:
        store.client().create_bucket(Bucket=BUCKET)
        yield store


@pytest.fixture(params=["versitygw", "moto"])
def store(request):
    return request.getfixturevalue("gateway" if request.param == "versitygw" else "mock")


@pytest.fixture
def keys(monkeypatch):
    """The environment has the stores' keys, and nothing else of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def prefix(tmp_path, keys):
    return f"{tmp_path.parent.name}-{tmp_path.name}"


@pytest.fixture
def proxy(gateway):
    with FaultyProxy(gateway.port) as proxy:
        yield proxy
