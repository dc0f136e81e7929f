"""What stands in front of one broker and answers in AutoMQ's way; all else goes through byte by byte.

Clients speak TLS with it, it speaks in the clear with a listener of the broker's of its own, which takes everybody for
a super user. Requests of one connection are answered one after the other. Producers must want answers: there is none to
a Produce with acks=0.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import (
    AlterPartitionReassignmentsRequest,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

from agentmemory.kafka.broker_configs import APPEND, BROKER, DELETE, EXCLUDED, SET, SUBTRACT
from agentmemory.kafka.messages import (
    AutomqGetNodesRequest,
    AutomqGetNodesResponse,
    GetNextNodeIdRequest,
    GetNextNodeIdResponse,
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from agentmemory.kafka.nodes import ACTIVE
from tests.automqstandin.frames import Head, decode, encode, framed, head_of, read_frame, with_apis
from tests.automqstandin.state import State

API_VERSIONS = 18
REFUSED, LOCKED = -1, 515


@dataclass(frozen=True)
class Call:
    """A call that changes something, as it came in, and Kafka's code where the stand-in answered it itself."""

    name: str
    about: tuple[Any, ...]
    code: int = 0


Answer = Callable[[bytes, Head], Awaitable[bytes | None]]


class Front:
    """One broker's. `calls` is shared by all of a cluster; `drop` says of a call whether its answer gets lost."""

    def __init__(self, state: State, calls: list[Call], upstream: int, drop: Callable[[Call], bool]) -> None:
        self._state = state
        self._calls = calls
        self._upstream = upstream
        self._drop = drop
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[int, Answer] = {
            AutomqGetNodesRequest.API_KEY: self._get_nodes,
            GetNextNodeIdRequest.API_KEY: self._next_id,
            UnregisterBrokerRequest.API_KEY: self._unregister,
            AlterPartitionReassignmentsRequest.API_KEY: self._reassign,
            IncrementalAlterConfigsRequest.API_KEY: self._alter_configs,
            DescribeConfigsRequest.API_KEY: self._describe_configs,
        }

    async def open(self, port: int, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            broker = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:  # the broker has stopped: its clients are to notice
            writer.close()
            return
        try:
            await self._exchange(reader, writer, *broker)
        finally:
            broker[1].close()
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        broker_reader: asyncio.StreamReader,
        broker_writer: asyncio.StreamWriter,
    ) -> None:
        while (frame := await read_frame(reader)) is not None:
            head = head_of(frame)
            own = self._answers.get(head.api_key)
            seen = len(self._calls)
            reply = await own(frame, head) if own is not None else None
            if reply is None:
                broker_writer.write(framed(frame))
                passed = await read_frame(broker_reader)
                if passed is None:
                    return
                known = head.api_key == API_VERSIONS
                reply = with_apis(passed, head, *OWN_APIS) if known else framed(passed)
            if any(self._drop(call) for call in self._calls[seen:]):
                return
            writer.write(reply)
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    def _note(self, name: str, *about: Any, code: int = 0) -> None:
        self._calls.append(Call(name, about, code))

    async def _get_nodes(self, frame: bytes, head: Head) -> bytes:
        wanted = decode(AutomqGetNodesRequest, frame, head).node_ids
        kind = AutomqGetNodesResponse.NodeMetadata
        nodes = [
            kind(
                node_id=node.id,
                node_epoch=node.epoch,
                wal_config="0@s3://bucket",
                state=node.state,
                has_opening_streams=node.open_streams,
                tags=[kind.Tag(key=key, value=value) for key, value in node.tags.items()],
            )
            for node in (await self._state.nodes(wanted)).values()
        ]
        return encode(AutomqGetNodesResponse(error_code=0, throttle_time_ms=0, nodes=nodes), head)

    async def _next_id(self, frame: bytes, head: Head) -> bytes:
        found = await self._state.next_id()
        return encode(GetNextNodeIdResponse(error_code=0, throttle_time_ms=0, node_id=found), head)

    async def _unregister(self, frame: bytes, head: Head) -> bytes | None:
        """As AutoMQ 1.7.3: -1 without words for a node that lives or has open streams."""
        node_id = decode(UnregisterBrokerRequest, frame, head).broker_id
        node = (await self._state.nodes([node_id])).get(node_id)
        code = 0
        if node is not None and (node.state == ACTIVE or node.open_streams):
            code = REFUSED
        elif node is not None and node.locked:
            code = LOCKED
        self._note("unregister", node_id, code=code)
        if code == 0:
            self._state.forget(node_id)
            return None
        return encode(UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message=""), head)

    async def _reassign(self, frame: bytes, head: Head) -> None:
        topics = decode(AlterPartitionReassignmentsRequest, frame, head).topics
        moves = [
            (topic.name, part.partition_index, tuple(part.replicas)) for topic in topics for part in topic.partitions
        ]
        self._note("reassign", *moves)

    async def _alter_configs(self, frame: bytes, head: Head) -> bytes | None:
        resources = decode(IncrementalAlterConfigsRequest, frame, head).resources
        if not _is_about_all_nodes(resources):
            return None
        if not self._state.lists:
            self._note_whole_list(resources[0].configs)
            return None
        for change in resources[0].configs:
            values = change.value.split(",")
            if change.config_operation == APPEND:
                self._note("exclude", *map(int, values))
                self._state.excluded = tuple(dict.fromkeys((*self._state.excluded, *values)))
            elif change.config_operation == SUBTRACT:
                self._note("readmit", *map(int, values))
                self._state.excluded = tuple(value for value in self._state.excluded if value not in values)
        kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
        done = kind(error_code=0, error_message=None, resource_type=BROKER, resource_name="")
        return encode(IncrementalAlterConfigsResponse(throttle_time_ms=0, responses=[done]), head)

    def _note_whole_list(self, changes: Any) -> None:
        """The broker refuses append and subtract, so they are no changes."""
        for change in changes:
            if change.config_operation == SET:
                self._note("exclude", *map(int, change.value.split(",")))
            elif change.config_operation == DELETE:
                self._note("readmit")

    async def _describe_configs(self, frame: bytes, head: Head) -> bytes | None:
        resources = decode(DescribeConfigsRequest, frame, head).resources
        if not _is_about_all_nodes(resources) or not self._state.lists:
            return None
        kind = DescribeConfigsResponse.DescribeConfigsResult
        entry = kind.DescribeConfigsResourceResult(
            name=EXCLUDED,
            value=",".join(self._state.excluded),
            read_only=False,
            config_source=3,
            is_sensitive=False,
            synonyms=[],
            config_type=7,
            documentation=None,
        )
        result = kind(error_code=0, error_message=None, resource_type=BROKER, resource_name="", configs=[entry])
        return encode(DescribeConfigsResponse(throttle_time_ms=0, results=[result]), head)


OWN_APIS = (AutomqGetNodesRequest.API_KEY, GetNextNodeIdRequest.API_KEY)


def _is_about_all_nodes(resources: Any) -> bool:
    return len(resources) == 1 and resources[0].resource_type == BROKER and resources[0].resource_name == ""
