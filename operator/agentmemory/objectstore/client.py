"""Makes boto3 clients: time limits, no redirects, no proxies, no settings from files, connections that keep the rules.

Imported on first use only: boto3 and S3's description take some 20 MB.
"""

import functools
import hashlib
import logging
import ssl
import threading
from pathlib import Path
from typing import Any

from boto3.session import Session
from botocore.config import Config

from agentmemory.core.errors import Invalid
from agentmemory.objectstore.connect import pool_classes
from agentmemory.objectstore.endpoints import Rules
from agentmemory.objectstore.model import Keys, Location

CONNECT_LIMIT = 5.0
"""Seconds for one connection."""
READ_LIMIT = 15.0
"""Seconds without a byte of an answer: with the second try, an outage is told within half a minute."""
ATTEMPTS = 2
"""Tries of one request: the second is for a kept connection that the server closed. The queue's backoff does more."""
CONNECTIONS = 8
_making = threading.Lock()

for _library in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # at DEBUG they print session tokens


def make(location: Location, rules: Rules, folder: Path) -> Any:
    """A client of S3. `folder` keeps the authorities' certificates, which the library reads from files.

    Raises Invalid (EndpointNotAllowed, CaInvalid) and botocore's errors (no such profile, bad region).
    """
    endpoint = rules.check(location.endpoint) if location.endpoint else None
    with _making:
        client = _session().client(
            "s3",
            region_name=location.region,
            endpoint_url=endpoint,
            verify=_authorities(location.ca_pem, folder) if location.ca_pem else None,
            config=_config(location.path_style),
            **_given(location.credentials),
        )
    # botocore would ask the region that a server names, with our credentials; residency wants the difference told.
    client.meta.events.register_last("before-parameter-build.s3", _follow_no_redirect)
    # botocore has no setting for this; a change inside it fails here, before anything is sent.
    client._endpoint.http_session._manager.pool_classes_by_scheme = pool_classes(rules)
    return client


@functools.cache
def _session() -> Session:
    """One for all clients: it holds S3's description and the pod's identity. Not safe for threads, hence the lock."""
    return Session()


def _given(keys: Keys | None) -> dict[str, str | None]:
    if keys is None:
        return {}
    return {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": keys.secret_access_key,
        "aws_session_token": keys.session_token,
    }


def _config(path_style: bool) -> Config:
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_LIMIT,
        read_timeout=READ_LIMIT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": "path" if path_style else "virtual", "us_east_1_regional_endpoint": "regional"},
        proxies={},  # a proxy would dial where we cannot look
        ignore_configured_endpoint_urls=True,
        request_checksum_calculation="when_required",  # other servers than AWS often lack the newer checksums
        response_checksum_validation="when_required",
        user_agent_extra="agent-memory-operator",
    )


def _follow_no_redirect(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True


def _authorities(pem: str, folder: Path) -> str:
    """A file with these certificates. Invalid when they are none."""
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as exc:
        raise Invalid(
            "CaInvalid", "ca.crt of s3.caConfigMapRef holds no certificate in PEM form; put the authority's there"
        ) from exc
    path = folder / f"{hashlib.sha256(pem.encode()).hexdigest()}.pem"
    if not path.exists():
        path.write_text(pem)
    return str(path)
