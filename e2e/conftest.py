"""`--cluster` and the cluster that all end-to-end tests of a run share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import clusters

pytest_plugins = ["e2e.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agent-memory-operator")
    group.addoption("--cluster", choices=clusters.NAMES, help="where the end-to-end tests run (default: what is here)")
    group.addoption("--keep", action="store_true", help="leave the cluster up when the tests have ended")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real parts take their time: each wait in these tests has its own limit, this one is for what hangs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[clusters.Cluster]:
    """The chosen cluster, up, with the project's images; skips where the one asked for cannot be had."""
    try:
        chosen = clusters.choose(request.config.getoption("--cluster"))
    except clusters.UnavailableError as reason:
        pytest.skip(str(reason))
    with clusters.running(chosen, keep=request.config.getoption("--keep")):
        yield chosen
