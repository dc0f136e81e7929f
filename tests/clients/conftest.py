"""Fixtures of this folder."""

from tests.fakekube_checked import world
from tests.kafka.conftest import admin, real_kafka

__all__ = ["admin", "real_kafka", "world"]
