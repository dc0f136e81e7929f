"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("agent-memory-operator")
except PackageNotFoundError:  # run from the source tree, nothing installed
    VERSION = "0.0.0+source"
