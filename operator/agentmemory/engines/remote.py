"""What engine kafka-tiered and the families on it both count with."""

from datetime import timedelta

TASK_INTERVAL = timedelta(seconds=30)
"""`remote.log.manager.task.interval.ms`: between two rounds in which a leader copies segments and deletes old ones."""
