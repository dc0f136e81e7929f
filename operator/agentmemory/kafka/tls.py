"""TLS from PEM text, with no key in a file system."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentmemory.core.errors import Invalid
from agentmemory.kafka.credentials import Credentials


def client_context(credentials: Credentials) -> ssl.SSLContext:
    """The context for a connection to the cluster: its certificate and name are checked, ours is shown if there is one.

    Raises Invalid where the PEM is not one.
    """
    try:
        context = ssl.create_default_context(cadata=credentials.ca_pem)
    except ssl.SSLError as exc:
        raise Invalid("InvalidCredentials", f"ca.crt is no PEM certificate ({exc.reason}): give the CA's.") from exc
    if credentials.cert_pem is not None and credentials.key_pem is not None:
        _load_chain(context, f"{credentials.key_pem.strip()}\n{credentials.cert_pem.strip()}\n")
    return context


def _load_chain(context: ssl.SSLContext, pem: str) -> None:
    with _as_file(pem.encode()) as path:
        try:
            # An empty password makes an encrypted key an error; without one OpenSSL would ask on the terminal.
            context.load_cert_chain(path, password="")
        except (ssl.SSLError, ValueError) as exc:
            text = getattr(exc, "reason", None) or exc
            raise Invalid(
                "InvalidCredentials",
                f"tls.crt and tls.key are no certificate with its unencrypted key ({text}): give a matching PEM pair.",
            ) from exc


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path from which OpenSSL can read the bytes: it takes a client's key from files only.

    Anonymous memory where the system has it (Linux), so that nothing is written; else a file of mode 0600 that is
    removed at once.
    """
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("tls", os.MFD_CLOEXEC)
        try:
            os.write(handle, data)
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
    else:
        handle, path = tempfile.mkstemp()  # mkstemp makes it 0600
        try:
            os.write(handle, data)
            os.close(handle)
            yield path
        finally:
            Path(path).unlink()
