"""Benchmarks run only when asked for: ``pytest benchmarks --benchmark-only`` (see README.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from benchmarks.peers import Peer


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--benchmark-only"):
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason="a benchmark: run `pytest benchmarks --benchmark-only`"))


@pytest.fixture(scope="session")
def peer() -> Iterator[Callable[[str], Peer]]:
    """``peer("anyinit")``: a running worker of that library in its own virtual environment."""
    running: dict[str, Peer] = {}

    def start(name: str) -> Peer:
        if name not in running:
            running[name] = Peer(name)
        return running[name]

    yield start
    for worker in running.values():
        worker.close()
