"""Runs a command of `kubectl memory` to its exit code: no stack trace ever reaches a person."""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any

import structlog
import typer

from agentmemory.core.errors import Denied, OperatorError

FINE, LATE, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all well; something did not come back in time; refused, unusable or out of reach; Ctrl-C."""
DEBUG = "AGENTMEMORY_DEBUG"


def perform(work: Coroutine[Any, Any, int]) -> None:
    """Runs it and leaves with its exit code. Raises typer.Exit always."""
    _be_quiet()
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        say("interrupted")
        code = INTERRUPTED
    except OperatorError as error:
        say(f"error: {_told(error)}")
        code = REFUSED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        say(f"error: a fault of this program, {type(error).__name__}: {error}; {DEBUG}=1 shows where")
        code = REFUSED
    raise typer.Exit(code)


def say(words: str) -> None:
    """A line for the person, apart from the result on stdout."""
    print(words, file=sys.stderr)  # noqa: T201


def _told(error: OperatorError) -> str:
    if isinstance(error, Denied):
        return f"{error.message} ({error.reason}); use credentials that may, or ask for the right"
    return f"{error.message} ({error.reason})"


def _be_quiet() -> None:
    """Libraries' logs are not for the person: what matters comes as an error."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
