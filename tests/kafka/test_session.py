"""How a connection is kept: one attempt for all, no storm after a failure, a fresh start after a lost link."""

import asyncio
from typing import Any

import kafka.errors as kafka_errors
import pytest

from agentmemory.core.errors import Denied, Invalid, Transient
from agentmemory.core.key import Key
from agentmemory.kafka import session as session_module
from agentmemory.kafka.connection import Credentials, KafkaPool
from agentmemory.kafka.model import NewTopicSpec
from agentmemory.kafka.session import Session

CREDENTIALS = Credentials("a:1", None, username="u", password="p")


class StubLink:
    """Answers with what is queued in `answers`; exceptions are raised."""

    opened = 0
    closed = 0
    answers: list[Any] = []
    refusal: Exception | None = None
    gate: asyncio.Event | None = None

    @classmethod
    async def open(cls, credentials: Credentials, limit: float) -> "StubLink":
        cls.opened += 1
        if cls.gate is not None:
            await cls.gate.wait()
        if cls.refusal is not None:
            raise cls.refusal
        return cls()

    async def send(self, request: Any, limit: float, node_id: int | None = None) -> Any:
        answer = type(self).answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> type[StubLink]:
    kind = type("Link", (StubLink,), {"answers": []})
    monkeypatch.setattr(session_module, "Link", kind)
    return kind


@pytest.fixture
def session() -> Session:
    return Session(CREDENTIALS, limit=5.0)


async def test_all_who_wait_share_one_attempt(link: type[StubLink], session: Session) -> None:
    link.gate = asyncio.Event()
    link.answers = list(range(10))
    calls = [asyncio.create_task(session.send("r", "x", again=True)) for _ in range(10)]
    await asyncio.sleep(0)
    link.gate.set()
    assert sorted(await asyncio.gather(*calls)) == list(range(10))
    assert link.opened == 1


async def test_a_waiter_that_is_cancelled_does_not_end_the_attempt(link: type[StubLink], session: Session) -> None:
    link.gate = asyncio.Event()
    link.answers = [1]
    leaver, stayer = (asyncio.create_task(session.send("r", "x", again=True)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    link.gate.set()
    assert await stayer == 1
    assert link.opened == 1


async def test_a_failed_attempt_answers_all_for_a_while(
    link: type[StubLink], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.refusal = kafka_errors.KafkaConnectionError("111 ECONNREFUSED")
    for _ in range(100):
        with pytest.raises(Transient, match="ECONNREFUSED"):
            await session.send("r", "x", again=True)
    assert link.opened == 1
    monkeypatch.setattr(session_module, "COOLDOWN", 0.0)
    link.refusal, link.answers = None, [1]
    assert await session.send("r", "x", again=True) == 1


async def test_a_refused_login_is_denied_to_all(link: type[StubLink], session: Session) -> None:
    link.refusal = kafka_errors.SaslAuthenticationFailedError("bad password")
    errors = await asyncio.gather(*(session.send("r", "x", again=True) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in errors] == [Denied] * 3
    assert len({id(error) for error in errors}) == 3
    assert link.opened == 1


async def test_bad_pem_is_invalid(link: type[StubLink], session: Session) -> None:
    link.refusal = Invalid("InvalidCredentials", "ca.crt is no PEM certificate")
    with pytest.raises(Invalid, match="no PEM"):
        await session.send("r", "x", again=True)


async def test_a_lost_link_is_replaced_for_what_may_be_repeated(link: type[StubLink], session: Session) -> None:
    link.answers = [kafka_errors.KafkaConnectionError("gone"), 2]
    assert await session.send("r", "x", again=True) == 2
    assert (link.opened, link.closed) == (2, 1)


async def test_a_write_is_not_sent_twice(link: type[StubLink], session: Session) -> None:
    link.answers = [kafka_errors.KafkaConnectionError("gone"), 2]
    with pytest.raises(Transient, match=r"creating topics: no connection to a:1 \(gone\)"):
        await session.send("r", "creating topics", again=False)
    assert link.answers == [2]


async def test_two_losses_in_a_row_are_told(link: type[StubLink], session: Session) -> None:
    link.answers = [kafka_errors.KafkaConnectionError("gone")] * 2
    with pytest.raises(Transient) as caught:
        await session.send("r", "x", again=True)
    assert caught.value.reason == "KafkaUnreachable"


async def test_no_answer_in_time_starts_anew(link: type[StubLink], session: Session) -> None:
    link.answers = [TimeoutError(), 1]
    with pytest.raises(Transient) as caught:
        await session.send("r", "x", again=True)
    assert caught.value.reason == "KafkaTimedOut"
    assert await session.send("r", "x", again=True) == 1
    assert link.opened == 2


async def test_an_old_broker_does_not_cost_the_connection(link: type[StubLink], session: Session) -> None:
    link.answers = [kafka_errors.IncompatibleBrokerVersion("no such request"), 1]
    with pytest.raises(Invalid, match="no such request"):
        await session.send("r", "x", again=True)
    assert await session.send("r", "x", again=True) == 1
    assert link.opened == 1


async def test_closed_means_closed(link: type[StubLink], session: Session) -> None:
    link.answers = [1]
    await session.send("r", "x", again=True)
    await session.close()
    await session.close()
    with pytest.raises(Transient) as caught:
        await session.send("r", "x", again=True)
    assert caught.value.reason == "KafkaConnectionClosed"
    assert link.closed == 1


async def test_closing_while_connecting_ends_the_attempt(link: type[StubLink], session: Session) -> None:
    link.gate = asyncio.Event()
    call = asyncio.create_task(session.send("r", "x", again=True))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(session.close(), 1)
    with pytest.raises(Transient, match="was closed while it was being made"):
        await call


async def test_the_pool_keeps_one_admin_while_credentials_stay(link: type[StubLink]) -> None:
    pool, key = KafkaPool(), Key("MemoryCluster", "ns", "a")
    first = await pool.get(key, CREDENTIALS)
    assert await pool.get(key, Credentials("a:1", None, username="u", password="p")) is first
    assert await pool.get(Key("MemoryCluster", "ns", "b"), CREDENTIALS) is not first


async def test_new_credentials_make_a_new_admin_and_close_the_old(link: type[StubLink]) -> None:
    pool, key = KafkaPool(), Key("MemoryCluster", "ns", "a")
    first = await pool.get(key, CREDENTIALS)
    second = await pool.get(key, Credentials("a:1", None, username="u", password="changed"))
    assert second is not first
    with pytest.raises(Transient, match="the connection was replaced"):
        await first.quorum()
    await pool.forget(key)
    with pytest.raises(Transient, match="the connection was replaced"):
        await second.quorum()
    await pool.forget(key)


async def test_a_write_of_many_tells_each_why_there_is_no_answer(link: type[StubLink]) -> None:
    pool, key = KafkaPool(), Key("MemoryCluster", "ns", "a")
    link.refusal = kafka_errors.KafkaConnectionError("111 ECONNREFUSED")
    results = await (await pool.get(key, CREDENTIALS)).create_topics([NewTopicSpec("a", 1, 1), NewTopicSpec("b", 1, 1)])
    assert {name: type(result) for name, result in results.items()} == {"a": Transient, "b": Transient}
    await pool.close()
