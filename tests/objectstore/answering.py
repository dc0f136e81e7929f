"""An HTTP server on loopback that answers what a test tells it, for servers' odd answers."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agentmemory.objectstore.model import Keys, Location
from tests.kafka.authority import Pair

KEYS = Keys("AKIAPLANTEDACCESSKEY", "planted/secret+access/key0123456789012345", "planted-session-token-0123456789")


@dataclass(frozen=True)
class Reply:
    """What comes back; `body` as S3's XML."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def error(status: int, code: str, message: str = "words", more: str = "", **headers: str) -> Reply:
    """A refusal as S3 writes it; headers with _ for -."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Answering:
    """`requests` are "GET /bucket?location", in order."""

    port: int
    requests: list[str]

    def location(self, region: str = "eu-central-1", keys: Keys | None = KEYS) -> Location:
        return Location(f"http://127.0.0.1:{self.port}", region, path_style=True, credentials=keys)


@contextmanager
def answering(
    reply: Callable[[str], Reply], tls: Pair | None = None, folder: Path | None = None
) -> Iterator[Answering]:
    """A server that gives `reply("GET /bucket?location")`; with `tls` its certificate, written to `folder`."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ssl.SSLError):  # of a client that does not trust us
                super().handle()

        def answer(self) -> None:
            asked = f"{self.command} {self.path}"
            requests.append(asked)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = reply(asked)
            body = b"" if self.command == "HEAD" else given.body.encode()
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None and folder is not None:
        (folder / "tls.pem").write_text(tls.cert + tls.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Answering(server.server_address[1], requests)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
