"""Two leaders at once are harmless: the end is that of a run with one, object by object, whatever was under way."""

import pytest

from .play import Play
from .scene import Scene
from .stories import BY_NAME_ALONE, BY_NAME_IN_S3, IN_KAFKA, IN_KUBERNETES, IN_S3, ON_A_REAL_ONE, Story


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stories", [IN_KUBERNETES, IN_KAFKA, IN_S3], ids=["kubernetes", "kafka", "s3"])
async def test_a_leader_that_was_stopped_in_the_middle_of_a_write(scene: Scene, stories: list[Story]) -> None:
    play = Play(scene, stories)
    await play.run()
    assert not play.found, "\n".join(play.found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("known", [BY_NAME_ALONE, BY_NAME_IN_S3], ids=["kafka", "s3"])
async def test_what_has_no_means_to_refuse(scene: Scene, known: dict[Story, list[str]]) -> None:
    """The limit of the promise, exactly: what is left over when all of this comes together.

    A process is stopped between its look at the Lease and the arrival of a write that makes something by name; another
    leads; the user gives the thing up, and only then the write arrives. No record and no object that was there is lost.
    """
    play = Play(scene, list(known))
    await play.run()
    missing, unexpected = dict(known), []
    for line in play.found:
        story = next(story for story in known if line.startswith(f"{story}, in the end: "))
        left_over = line.removeprefix(f"{story}, in the end: ")
        missing[story] = [words for words in missing[story] if not left_over.startswith(words)]
        unexpected += [] if left_over.startswith(tuple(known[story])) else [line]
    assert not unexpected, "\n".join(unexpected)
    assert not any(missing.values()), missing


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_a_choice_of_writes_to_a_real_apiserver(real_scene: Scene) -> None:
    play = Play(real_scene, ON_A_REAL_ONE)
    await play.run()
    assert not play.found, "\n".join(play.found)
