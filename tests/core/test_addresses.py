"""Addresses of databases and clusters: what is reached over a network must prove who it is, or be allowed not to."""

from __future__ import annotations

import pytest

from headrace.core import addresses
from headrace.core.errors import StoreUnavailable, UsageError
from headrace.core.settings import forget_configuration


@pytest.fixture(autouse=True)
def _nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSSLMODE", "HEADRACE_REQUIRE_TLS", "HEADRACE_ALLOW_INSECURE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "verified"),
    [
        ("sqlite:////tmp/x.db", True),
        ("postgresql+psycopg://ada:x@db.example/x", False),
        ("postgresql+psycopg://ada:x@db.example/x?sslmode=require", False),
        ("postgresql+psycopg://ada:x@db.example/x?sslmode=verify-full", True),
        ("postgresql+psycopg://ada:x@localhost:5432/x", True),
        ("postgresql+psycopg://ada:x@127.0.0.2:5432/x", True),
        ("postgresql+psycopg://ada:x@localhost.example/x", False),
        ("postgresql+psycopg:///x?host=/var/run/postgresql", True),
        ("postgresql+psycopg:///x?host=db.example", False),
        ("postgresql+psycopg:///x?host=/run/a,db.example", False),
        ("postgresql+psycopg:///x?host=/run/a&host=db.example", False),
        ("postgresql+psycopg:///x", True),
        ("postgresql+psycopg://ada@[::1]/x", True),
    ],
)
def test_a_database_on_the_network_should_prove_who_it_is(url: str, verified: bool) -> None:
    assert addresses.database_is_verified(url) is verified


def test_what_libpq_is_told_by_its_own_variables_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert not addresses.database_is_verified("postgresql+psycopg:///x")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert addresses.database_is_verified("postgresql+psycopg:///x")


def test_a_store_without_proof_is_refused_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.core.settings import find_store
    from headrace.store.database import Database

    place = find_store("postgresql://ada:secret@db.example/x")
    Database(place).engine.dispose()  # connects with nobody yet
    monkeypatch.setenv("HEADRACE_REQUIRE_TLS", "1")
    with pytest.raises(StoreUnavailable, match="sslmode=verify-full") as caught:
        _ = Database(place).engine
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "tcp://127.0.0.1:8786",
        "tcp://[::1]:8786",
        "localhost:8786",
        "tls://10.0.0.5:8786",
        "wss://dask.example/x",
        "inproc://10.0.0.5/1/2",
        "auto",
        "local",
        "ray://127.0.0.1:10001",
    ],
)
def test_clusters_of_this_machine_and_encrypted_ones_are_joined(address: str | None) -> None:
    addresses.check_cluster(address)


OPEN = [
    "tcp://10.0.0.5:8786",
    "10.0.0.5:8786",
    "dask.example:8786",
    "ucx://10.0.0.5:1",
    "ws://10.0.0.5",
    "ray://10.0.0.5:10001",
    "tcp://127.0.0.1.example:8786",
]


@pytest.mark.parametrize("address", OPEN)
def test_a_cluster_in_the_clear_elsewhere_must_be_allowed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="allow_insecure") as caught:
        addresses.check_cluster(address)
    assert caught.value.field == "address"
    addresses.check_cluster(address, allow_insecure=True)
    addresses.check_cluster(address, is_encrypted=True)
    monkeypatch.setenv("HEADRACE_ALLOW_INSECURE", "1")
    addresses.check_cluster(address)


def test_the_file_of_settings_says_so_too(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    (tmp_path / "headrace.toml").write_text("allow_insecure = true\n")  # type: ignore[operator]
    forget_configuration()
    try:
        addresses.check_cluster(OPEN[0])
    finally:
        forget_configuration()
