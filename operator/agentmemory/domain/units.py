"""Quantities and durations as Kubernetes writes them, to and from plain numbers.

Quantities follow k8s.io/apimachinery `resource.Quantity` without its exponent and sub-unit forms (`1e3`, `100n`), which
nobody writes by hand for sizes; like `Quantity.Value()` a fraction of a byte rounds up. Durations follow GEP-2257.
"""

import re
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

MAX_INT64 = 2**63 - 1
# Patterns are shared with the CRDs, so they keep to what Go's RE2 and Rust's regex understand too.
QUANTITY_PATTERN = r"^([1-9][0-9]{0,17}(\.[0-9]{1,9})?|0\.[0-9]{0,8}[1-9])(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
CPU_PATTERN = r"^([1-9][0-9]{0,5}m|[1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9])$"
DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"

_POWERS = {"k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_QUANTITY = re.compile(QUANTITY_PATTERN)
_CPU = re.compile(CPU_PATTERN)
_DURATION = re.compile(DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_MAX_DURATION = timedelta(hours=99_999, minutes=59, seconds=59, milliseconds=999)


def parse_quantity(text: str) -> int:
    """`200Gi` to its number of bytes or other whole units. Raises ValueError unless positive and within 64 bits."""
    if _QUANTITY.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a positive quantity; write for example 500M, 10Gi or 1073741824")
    number = text.rstrip("kKMGTPEi")
    suffix = text[len(number) :]
    base = 1024 if suffix.endswith("i") else 1000
    power = _POWERS[suffix.rstrip("i").replace("K", "k")] if suffix else 0
    value = int((Decimal(number) * base**power).to_integral_value(ROUND_CEILING))
    if value > MAX_INT64:
        raise ValueError(f"{text!r} is more than 64 bits hold; write at most 7Ei")
    return value


def format_quantity(value: int) -> str:
    """A whole number with the largest binary suffix that is exact: 1048576 to `1Mi`, 1000 to `1000`."""
    if value <= 0:
        raise ValueError(f"{value} is not a positive quantity")
    for power, suffix in ((6, "Ei"), (5, "Pi"), (4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if value % 1024**power == 0:
            return f"{value // 1024**power}{suffix}"
    return str(value)


def parse_cpu(text: str) -> int:
    """`500m`, `2` or `0.25` to thousandths of a core. Raises ValueError unless positive."""
    if _CPU.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not an amount of CPU; write for example 500m, 2 or 0.5")
    return int(text[:-1]) if text.endswith("m") else int(Decimal(text) * 1000)


def parse_duration(text: str) -> timedelta:
    """`720h`, `1h30m` or `250ms` (GEP-2257) to a timedelta. Raises ValueError for anything else, a sign included."""
    if _DURATION.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is not a duration; write one to four numbers of at most 5 digits with h, m, s or ms, "
            "for example 720h, 1h30m or 5s"
        )
    total = sum(int(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    return timedelta(milliseconds=total)


def format_duration(value: timedelta) -> str:
    """The shortest GEP-2257 form: 5400 s to `1h30m`, zero to `0s`. Raises ValueError outside 0 to 99999h59m59s999ms."""
    if not timedelta(0) <= value <= _MAX_DURATION or value.microseconds % 1000:
        raise ValueError(f"{value} has no GEP-2257 form: whole milliseconds from 0 to 99999h59m59s999ms")
    rest = milliseconds(value)
    text = ""
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def milliseconds(value: timedelta) -> int:
    """A timedelta in whole milliseconds, as Kafka's `.ms` settings take it."""
    return value // timedelta(milliseconds=1)
