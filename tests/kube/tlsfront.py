"""TLS in front of a server, that lets its clients say goodbye and gives no answer: as an apiserver that hangs."""

import select
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from kubernetes.aio.client import Configuration

from tests.kafka.authority import Authority

PIECE = 65536


class TlsFront:
    """A context manager. `accepted` and `ended` count connections; one has ended when the client's socket is closed."""

    def __init__(self, upstream: str, folder: Path) -> None:
        self.accepted = 0
        self.ended = 0
        self._upstream = (urlsplit(upstream).hostname, urlsplit(upstream).port)
        authority = Authority()
        pair = authority.issue(common_name="front", unit="server")
        file = folder / "front.pem"
        file.write_text(pair.key + pair.cert)
        self._authority = authority.pem
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def configuration(self) -> Configuration:
        """Leads here."""
        made = Configuration(host=f"https://127.0.0.1:{self._listener.getsockname()[1]}")
        made.ca_cert_data = self._authority
        made.ignore_operation_servers = True
        return made

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the front is closed
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with (
                socket.create_connection(self._upstream) as upstream,
                self._context.wrap_socket(connection, server_side=True) as tls,
            ):
                _relay(tls, upstream)
                with socket.socket(fileno=tls.detach()) as raw:
                    while raw.recv(PIECE):
                        pass
        except OSError:  # an aborted connection is reset
            pass
        self.ended += 1


def _relay(tls: ssl.SSLSocket, upstream: socket.socket) -> None:
    """Until one of the two says goodbye."""
    while True:
        readable, _, _ = select.select([tls, upstream], [], [])
        for source, sink in ((tls, upstream), (upstream, tls)):
            if source in readable:
                data = source.recv(PIECE)
                if not data:
                    return
                sink.sendall(data)
