"""A plugin for tiered storage (KIP-405) for tests: `plugin()` is the folder with its jars.

Aiven's plugin, which users bring in their image, is on no Maven repository; this one stands in for it.
"""

from e2e.stand.tiered.build import CLASS, plugin

__all__ = ["CLASS", "plugin"]
