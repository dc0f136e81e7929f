"""How to reach the apiserver: the pod's service account, or a kubeconfig file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from agentmemory.core.errors import Invalid


async def load(environ: Mapping[str, str]) -> Configuration:
    """A configuration from KUBECONFIG when it is set, else the pod's service account, else ~/.kube/config.

    Raises Invalid, with the file's name and what is wrong with it.
    """
    named = environ.get("KUBECONFIG")
    if not named and environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster()
    return await from_file(Path(named) if named else Path(environ.get("HOME", "/")) / ".kube" / "config")


async def from_file(file: Path) -> Configuration:
    """A configuration from one kubeconfig file, its current context. Raises Invalid."""
    configuration = Configuration()
    try:
        content = absolute(_read(file), file.parent)
        await config.load_kube_config_from_dict(content, client_configuration=configuration)
    except FileNotFoundError as error:
        raise Invalid(
            "BadKubeconfig", f"file {error.filename or file} does not exist; set KUBECONFIG, or run inside a cluster"
        ) from error
    except (OSError, yaml.YAMLError, config.ConfigException, ValueError) as error:
        raise Invalid("BadKubeconfig", f"kubeconfig {file} cannot be used: {error}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise Invalid("BadKubeconfig", f"kubeconfig {file} cannot be used: it has not the shape of one") from error
    return configuration


def absolute(content: dict[str, Any], base: Path) -> dict[str, Any]:
    """The kubeconfig with its relative file names resolved against its own folder, as kubectl does."""
    names = ("certificate-authority", "client-certificate", "client-key", "tokenFile")

    def resolved(entry: dict[str, Any]) -> dict[str, Any]:
        return {name: str(base / value) if name in names else value for name, value in entry.items()}

    made = dict(content)
    for plural, single in (("clusters", "cluster"), ("users", "user")):
        made[plural] = [{**item, single: resolved(item.get(single) or {})} for item in content.get(plural) or ()]
    return made


def _read(file: Path) -> dict[str, Any]:
    content = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    if not isinstance(content, dict):
        raise ValueError("it is not a mapping")
    return content


def _in_cluster() -> Configuration:
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise Invalid("BadServiceAccount", f"the pod's service account cannot be used: {error}") from error
    return configuration
