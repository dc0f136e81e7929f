"""Fixtures of this folder."""

from .fixture import world

__all__ = ["world"]
