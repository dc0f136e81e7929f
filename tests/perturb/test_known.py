"""One place for each known difference: it must be there still, or its entry in `known.py` goes."""

import pytest

from .known import KNOWN, Known
from .runs import Coordinates, findings

pytestmark = pytest.mark.no_cover


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.shown_by)
async def test_is_still_there(known: Known) -> None:
    found, struck = await findings(Coordinates.parse(known.shown_by))
    assert struck
    assert any(known.covers(known.shown_by, line) for line in found), f"mended: take it off the list ({known.why})"
