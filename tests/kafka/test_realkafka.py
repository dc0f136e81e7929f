"""The fixture itself: a node that does not come up says why, and nothing stays running."""

import socket
from pathlib import Path

import pytest

from tests.kafka import realkafka
from tests.kafka.realkafka import RealKafka

pytestmark = pytest.mark.kafka


def _fails(kafka: RealKafka, words: str) -> None:
    with pytest.raises(RuntimeError, match=words), kafka:
        raise AssertionError("it must not come up")
    assert kafka.nodes
    assert all(node.process is None for node in kafka.nodes.values())


def test_a_configuration_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realkafka, "CONTROLLER", realkafka.CONTROLLER + "process.roles=nobody\n")
    _fails(RealKafka(tmp_path), "formatting node 0 failed")


def test_a_node_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens: the node cannot have it
        monkeypatch.setattr(realkafka, "free_port", lambda: taken.getsockname()[1])
        _fails(RealKafka(tmp_path, brokers=0), "(?s)node 0 ended; its log ends with:.*[Aa]ddress already in use")
