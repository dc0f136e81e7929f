"""The options that every command of `kubectl memory` has, named as kubectl names them."""

from enum import StrEnum
from typing import Annotated

import typer

Namespace = Annotated[str | None, typer.Option("-n", "--namespace", help="Namespace; default: the context's.")]
Kubeconfig = Annotated[str | None, typer.Option(help="Path of a kubeconfig file; default: as kubectl finds it.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig; default: its current one.")]


class Output(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text for people, json for programs.")]
