"""Hypothesis drives a country. The seed is printed; a failure prints how to run it again.

PERTURB_SEED=1234 scripts/uv run pytest tests/perturb/test_stateful.py
"""

import os
import random

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Country

pytestmark = pytest.mark.no_cover
FULL = os.environ.get("PERTURB_FULL", "") != ""
SEED = int(os.environ.get("PERTURB_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
SETTINGS = settings(
    max_examples=300 if FULL else 12,
    stateful_step_count=25 if FULL else 12,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.timeout(3000 if FULL else 120)
@pytest.mark.parametrize("share", range(2))
def test_random_lives(share: int) -> None:
    print(f"PERTURB_SEED={SEED} (share {share})")  # noqa: T201 - how to run it again
    run_state_machine_as_test(seed(SEED + share)(Country), settings=SETTINGS)
