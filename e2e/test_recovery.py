"""What goes away on object storage, a row of the recovery table each: what is said, and what makes it right again."""

from __future__ import annotations

import time

from e2e import recovery
from e2e.buckets import Bucket

ENGINE = "MemoryBucket"


def test_credentials_expire(bucket: Bucket) -> None:
    bucket.change_secret_at_the_server()
    bucket.ask_now()
    said = bucket.not_ready("CredentialsInvalid")
    assert bucket.keys.access not in said
    bucket.hand_over_keys()
    bucket.ask_now()
    began = time.monotonic()
    bucket.ready()
    seconds = time.monotonic() - began
    recovery.note("credentials expired", ENGINE, said=said, secondsToReady=seconds)


def test_the_bucket_is_deleted_by_hand(bucket: Bucket) -> None:
    """It is not made anew as if nothing had happened: what was in it is lost, and a person has to know."""
    bucket.store.wipe(bucket.name)
    bucket.ask_now()
    said = bucket.not_ready("BucketLost")
    assert bucket.name not in bucket.store.buckets()
    recovery.note("bucket deleted by hand", ENGINE, said=said)
