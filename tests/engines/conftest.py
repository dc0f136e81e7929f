from tests.fakekube.fixture import world

__all__ = ["world"]
