"""The fake API server for the drill's tests."""

from tests.fakekube.fixture import world

__all__ = ["world"]
