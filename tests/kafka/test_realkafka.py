"""The fixture itself: a node that does not come up says why, and nothing stays running."""

import socket
from pathlib import Path

import pytest

from tests.kafka import realkafka
from tests.kafka.realkafka import RealKafka, last_words

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
        _fails(RealKafka(tmp_path, brokers=0), "(?s)node 0 ended; its log says:.*[Aa]ddress already in use")


def test_a_cause_with_much_behind_it_is_shown() -> None:
    settings = "".join(f"\tssl.setting.{n} = null\n" for n in range(400))
    log = (
        "2026-11-23 02:01:43,900 ERROR Acceptor: Unable to start\n"
        "java.net.BindException: Address already in use\n\tat java.base/sun.nio.ch.Net.bind0(Native Method)\n"
        f"2026-11-23 02:01:44,082 INFO AbstractConfig: KafkaConfig values: \n{settings}\n"
        + "".join(f"2026-11-23 02:01:44,09{n} INFO MetadataLoader: {n}\n" for n in range(10))
        * 4
    )
    told = last_words(log).splitlines()
    assert told[:2] == [
        "2026-11-23 02:01:43,900 ERROR Acceptor: Unable to start",
        "java.net.BindException: Address already in use",
    ]
    assert told[2] == "..."
    assert len(told) == 13
