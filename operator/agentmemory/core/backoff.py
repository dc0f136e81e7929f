"""Exponential backoff with jitter, one counter per key."""

import random
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Delays of `base` * 2^failures seconds, at most `cap`, spread by ±`jitter` (a share of the delay)."""

    base: float = 0.2
    cap: float = 120.0
    jitter: float = 0.2
    rng: random.Random = field(default_factory=random.Random)
    _failures: dict[Hashable, int] = field(default_factory=dict)

    def next(self, key: Hashable, floor: float | None = None) -> float:
        """Count one more failure of `key` and return its delay in seconds, never below `floor`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self.cap, self.base * 2.0 ** min(failures, 32))
        spread = 1.0 + self.rng.uniform(-self.jitter, self.jitter)
        return max(delay * spread, floor or 0.0)

    def forget(self, key: Hashable) -> None:
        """The key succeeded: its next failure starts from `base` again."""
        self._failures.pop(key, None)

    def failures(self, key: Hashable) -> int:
        """How often `key` failed in a row."""
        return self._failures.get(key, 0)
