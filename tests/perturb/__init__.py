"""Perturbation suites: one list of scenarios (`scenarios.py`), every fault at every place, the same oracles.

A scenario is a list of steps; a step is a plain function on a `User` (`user.py`). What is done to the operator while a
step is under way is a perturbation (`perturbations.py`): a crash after write k, an event dropped, a time-out after the
effect. The oracles (`normal.py`, `oracles.py`) compare with the same step unperturbed, object by object.

    driver 1   `world.py`     one process, fake clock, in memory: every combination, in CI (test_world.py)
    driver 2   `real.py`      real apiserver behind the fault proxy, the real process: `make perturb` (test_real.py)
    on top     `machine.py`   Hypothesis: random edits, faults, restarts (test_stateful.py)

A failure names its coordinates, `scenario/step/perturbation/k`; this runs that one alone:

    PERTURB=family-create/born/crash/2 scripts/uv run pytest tests/perturb -k one
"""
