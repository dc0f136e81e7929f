"""Fixtures of this folder."""

from tests.fakekube_checked import world

__all__ = ["world"]
