"""A Hypothesis profile for runs over thousands of mutants; loaded as a pytest plugin in the copy.

The same examples in each run, so that a verdict can be repeated, and no search for the smallest example that fails: one
failure is all that is asked for.
"""

from hypothesis import Phase, settings

settings.register_profile(
    "mutation", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)
