"""What the process counts about itself, for Prometheus. One instance, with its own registry, per process."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "agentmemory"
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All instruments; `reader` gauges are computed when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = self._counter("reconciles", "Reconciles that ended.", "kind", "outcome")
        self.reconcile_seconds = Histogram(
            f"{PREFIX}_reconcile_seconds",
            "Duration of one reconcile.",
            ("kind",),
            buckets=DURATIONS,
            registry=self.registry,
        )
        self.kube_calls = self._counter("kube_calls", "Requests to the apiserver that ended.", "verb", "kind", "code")
        self.watch_events = self._counter("watch_events", "Events from the watch.", "kind", "type")
        self.resync_repairs = self._counter("resync_repairs", "Differences that a resync found.", "kind", "what")
        self.owner_errors = self._counter("owner_errors", "Objects whose owners could not be told.", "kind")

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}_total", help_, labels, registry=self.registry)

    def gauge(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """Publish a value that `read` gives at scrape time."""
        Gauge(f"{PREFIX}_{name}", help_, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """The exposition format that /metrics answers."""
        return generate_latest(self.registry)
