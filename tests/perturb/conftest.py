"""Fixtures of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from agentmemory.api import crdgen
from e2e.kubectl import Kubectl
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of processes start and die here: what they log helps nobody. PERTURB=... shows it again."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def perturbed_api(control_plane: ControlPlane) -> Path:
    """A real apiserver with our CRDs; the administrator's kubeconfig."""
    kubectl = Kubectl(gotools.kubernetes() / "kubectl", control_plane.kubeconfig)
    crds = [yaml.safe_load(text) for text in crdgen.generate().values()]
    kubectl.apply(*crds)
    names = [f"crd/{crd['metadata']['name']}" for crd in crds]
    kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    return control_plane.kubeconfig
