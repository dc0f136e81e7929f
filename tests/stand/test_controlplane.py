"""The control plane alone: several at once, an API server that goes away and comes back."""

from pathlib import Path

import pytest

from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api, ApiError

pytestmark = pytest.mark.integration
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}


def test_the_shared_one_serves_and_writes_an_audit_log(control_plane: ControlPlane) -> None:
    assert Api.of(control_plane.kubeconfig).find("/api/v1/namespaces/absent") is None
    assert any(request.name == "absent" for request in control_plane.audit.requests())
    assert control_plane.admin_cert.is_file()
    assert control_plane.admin_key.stat().st_mode & 0o077 == 0


def test_an_api_server_that_was_killed_comes_back_with_what_it_had(tmp_path: Path, control_plane: ControlPlane) -> None:
    second = ControlPlane(tmp_path)
    try:
        second.start()
        assert second.url != control_plane.url
        api = Api.of(second.kubeconfig)
        api.request("POST", "/api/v1/namespaces", NAMESPACE)
        second.kill_apiserver()
        assert not second.ready()
        with pytest.raises(OSError, match="refused"):
            api.get("/api/v1/namespaces/kept")
        second.start_apiserver()
        assert api.find("/api/v1/namespaces/kept")
        with pytest.raises(ApiError, match="409"):
            api.request("POST", "/api/v1/namespaces", NAMESPACE)
    finally:
        second.stop()
    assert second.processes.names() == []
