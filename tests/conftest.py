"""Fixtures that tests of several packages share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane

# An example that takes 200 ms on a busy machine is no failure; pytest-timeout ends what hangs.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real etcd and kube-apiserver (marker `integration`): no root, no pods, free ports, a folder of their own."""
    if not gotools.kubernetes_is_built():
        pytest.fail("Kubernetes is not built yet, which takes minutes: run `make setup` first")
    folder: Path = tmp_path_factory.mktemp("control-plane")
    control = ControlPlane(folder)
    try:
        control.start()
        yield control
    finally:
        control.stop()
