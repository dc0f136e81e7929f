"""What the mutation benchmark leaves out of its figures, and that it leaves out nothing else."""

import ast

import pytest

from benchmarks.mutation.changes import left_out


def rule_for(original: str, mutant: str) -> str | None:
    """The rule that leaves out a function body `mutant` made from `original`."""
    one, other = (ast.parse(f"def {name}():\n    {body}").body[0] for name, body in (("f", original), ("f_1", mutant)))
    return left_out(one, other)


@pytest.mark.parametrize(
    ("original", "mutant", "rule"),
    [
        ('return stalled("Bad", "no good")', 'return stalled("Bad", "XXno goodXX")', "wording"),
        ('return stalled("Bad", "no good")', 'return stalled("Bad", "NO GOOD")', "wording"),
        ('return stalled("Bad", "No good")', 'return stalled("Bad", "no good")', "wording"),
        ('return stalled("Bad", f"{x}" "no good")', 'return stalled("Bad", f"{x}" "XXno goodXX")', "wording"),
        ("return f'{x} is ' 'no good'", "return f'{x} is ' 'XXno goodXX'", "wording"),
        ("return f'{x} is ' 'no good'", "return f'{x} is ' 'NO GOOD'", "wording"),
        ("return f'{x} is ' 'no good'", "return f'{y} is ' 'no good'", None),
        ("return f'{x} is no good'", "return f'{x} is XXno goodXX, or so'", None),
        ('return stalled("Bad", "no good")', 'return stalled("Bad", None)', None),
        ('return stalled("Bad", "no good")', 'return stalled("Bad", )', None),
        ('return stalled("Bad", "no good")', 'return stalled("XXBadXX", "no good")', None),
        ('return stalled("Bad", "no good")', 'return stalled(None, "no good")', None),
        ('return "no good"', 'return "another text"', None),
        ('return x or "no good"', 'return x and "no good"', None),
        ('log.info("x", key=str(key))', 'log.info("x", key=str(None))', "log"),
        ('log.info("x", key=str(key))', 'log.info("XXxXX", key=str(key))', "log"),
        ('log.info("x", key=str(key))', 'log.info("x", )', "log"),
        ('log.info("x")', "log.info(None)", "log"),
        ('log.info("x")', "pass", None),
        ('math.log("x")', "math.log(None)", None),
        ('store.info("x")', "store.info(None)", None),
        ("if a and b: log.info(a)", "if a or b: log.info(a)", None),
        ('loop.create_task(run(), name="t")', "loop.create_task(run(), name=None)", "label"),
        ('loop.create_task(run(), name="t")', "loop.create_task(run(), )", "label"),
        ('loop.create_task(run(), name="t")', 'loop.create_task(None, name="t")', None),
        ('Thread(target=run, name="t")', 'Thread(target=run, name="XXtXX")', "label"),
        ('Thread(target=run, name="t")', 'Thread(name="t")', None),
        ('Pod(target=run, name="t")', 'Pod(target=run, name="XXtXX")', None),
        ("return a + b", "return a - b", None),
        ('a, b = "one text", "a"', "a, b = None", None),
    ],
)
def test_only_what_nobody_can_tell_by_behaviour_is_left_out(original: str, mutant: str, rule: str | None) -> None:
    assert rule_for(original, mutant) == rule
