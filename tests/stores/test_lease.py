from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nsfwcaps.errors import StorageError
from nsfwcaps.stores import lease as leases
from nsfwcaps.stores.lease import NAME, Lease
from nsfwcaps.stores.store import Store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(leases, "_SETTLE_S", 0.0)
    found = Store("memory://bucket/leased")
    yield found
    found.delete(found.listed())


def change(store: Store, **facts: object) -> None:
    found = json.loads(store.read(NAME) or b"")
    store.write(NAME, json.dumps({**found, **facts}).encode())


def test_one_driver_at_a_time(store: Store) -> None:
    first, second = Lease(store), Lease(store)
    first.take()
    change(store, host="node-7", since="2026-01-02T03:04:05+00:00")
    with pytest.raises(StorageError) as refused:
        second.take()
    text = str(refused.value)
    assert "host node-7" in text
    assert "since 2026-01-02T03:04:05+00:00" in text
    assert "memory://bucket/leased" in text
    first.release()
    second.take()
    second.check()
    assert store.listed().keys() == {NAME}, "no probe is left"


def test_a_silent_driver_is_replaced(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Lease(store), Lease(store)
    first.take()
    change(store, machine="another")
    with pytest.raises(StorageError, match="another nsfwcaps command"):
        second.take()
    monkeypatch.setattr(leases, "STALE_S", 0.0)
    second.take()
    with pytest.raises(StorageError, match="taken over by host"):
        first.beat()
    first.release()
    second.check()


def test_a_dead_driver_of_this_machine_is_replaced_at_once(store: Store) -> None:
    first, second = Lease(store), Lease(store)
    first.take()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    change(store, pid=ended.pid)
    second.take()
    second.check()


def test_a_part_is_refused_while_a_driver_works(store: Store) -> None:
    driver, part = Lease(store), Lease(store)
    part.refuse()
    driver.take()
    with pytest.raises(StorageError, match="another nsfwcaps command"):
        part.refuse()


def test_a_removed_lease_stops_its_driver(store: Store) -> None:
    driver = Lease(store)
    driver.take()
    store.delete([NAME])
    with pytest.raises(StorageError, match="was removed"):
        driver.check()


def test_a_name_is_no_pattern(store: Store) -> None:
    for name in ("a[1]", "a1", "b*", "bc", "bd"):
        store.write(name, b"")
    store.delete(["a[1]", "b*", "bd"])
    assert store.listed().keys() == {"a1", "bc"}
