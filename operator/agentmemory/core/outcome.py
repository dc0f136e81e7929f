"""What a reconcile returns when it did not raise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """Nothing to do until something changes or the next resync."""


@dataclass(frozen=True)
class Again:
    """Look again in `after` seconds; `why` is for the log ("waiting for broker 1002 to register")."""

    after: float
    why: str


Outcome = Done | Again
