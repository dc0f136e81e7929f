"""The fake API server for the command line's tests."""

from tests.fakekube.fixture import world

__all__ = ["world"]
