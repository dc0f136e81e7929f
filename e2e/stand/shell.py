"""Running other programs: errors that say what failed, and a line of progress for what is slow."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 20.0


class StandError(Exception):
    """Something that the stand needs is not so; the message says what, where and the way out."""


def say(text: str) -> None:
    """One line of progress, at once (standard error, so that output stays machine-readable)."""
    print(f"[stand {time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Says that something slow starts, that it goes on, and how many seconds it took."""
    say(f"{text} ...")
    start = time.monotonic()
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            say(f"{text}: {time.monotonic() - start:.0f} s so far")

    threading.Thread(target=go_on, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    say(f"{text}: {time.monotonic() - start:.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str | None = None,
    timeout: float = 1800,
) -> str:
    """Runs a program to its end (seconds) and returns what it printed; StandError with its last words when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, env=env, cwd=cwd, input=text, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError as missing:
        raise StandError(f"`{words[0]}` is not installed, or not on PATH") from missing
    except subprocess.TimeoutExpired as late:
        raise StandError(f"`{' '.join(words)}` did not end within {timeout:.0f} s") from late
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise StandError(f"`{' '.join(words)}` ended with {done.returncode}:\n{last}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a program ends with 0; a program that is not there does not."""

    try:
        return subprocess.run([str(word) for word in command], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def until(what: str, seconds: float, test: Callable[[], bool], pause: float = 0.1) -> None:
    """Waits until test is true, looking every `pause` seconds; StandError naming `what` when it never is."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise StandError(f"gave up after {seconds:.0f} s waiting for {what}")
        time.sleep(pause)


def digest(*parts: Path | str) -> str:
    """A short key of texts and of the files' contents (folders: all that is in them), for naming what is cached."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if file.is_file() and "__pycache__" not in file.parts:
                name = str(file.relative_to(part)) if part.is_dir() else file.name
                total.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
