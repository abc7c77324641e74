"""Checking again whenever a file changes: what `archgraph check --watch` waits for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from archgraph.cli.highlight import dim
from archgraph.cli.output import count, note, write

if TYPE_CHECKING:
    from archgraph.spec import Library

SECONDS = 0.3
# When a file was changed and its size; None if it is not there.
Stamp = tuple[int, int] | None


def every_moment() -> Iterator[None]:
    """One tick after another, as long as the process lives."""
    while True:
        time.sleep(SECONDS)
        yield


def watch(
    run: Callable[[], Iterable[Path]],
    ticks: Callable[[], Iterator[None]] | None = None,
    now: Callable[[], datetime] = datetime.now,
) -> None:
    """Run, and again after each change, until the user interrupts or there are no more ticks.

    Args:
        run: does the work; the files and folders that it depends on come out.
        ticks: when to look at them; every moment if not given.
        now: the time that is shown.
    """
    seen: dict[Path, Stamp] = {}
    try:
        write(f"{now():%H:%M:%S}\n", dim)
        _run(run, seen)
        last: Mapping[Path, Stamp] = seen
        for _ in (ticks or every_moment)():
            found = _stamps(seen)
            # a change that goes on is waited for: a file may be half written
            settled, last = found == last, found
            if not settled or found == seen:
                continue
            names = sorted(p.name for p in found if found[p] != seen[p] and not p.is_dir())
            what = f"  {', '.join(names)} changed" if names else ""
            write(f"\n{now():%H:%M:%S}{what}\n", dim)
            seen.update(found)
            _run(run, seen)
            last = seen
    except KeyboardInterrupt:
        write("\n")


def _run(run: Callable[[], Iterable[Path]], seen: dict[Path, Stamp]) -> None:
    """Run; what turns out to matter is looked at from now on.

    What mattered before keeps its stamp from before the run, so that no change is missed.
    """
    paths = set(run())
    for path in set(seen) - paths:
        del seen[path]
    seen.update(_stamps(paths - set(seen)))
    sys.stdout.flush()  # what reads a pipe reads it now, too
    note(f"watching {count(sum(not p.is_dir() for p in paths), 'file')}; Ctrl-C ends")


def dependencies(references: Iterable[str], library: Library) -> set[Path]:
    """The files that a check has read or would read, and the folders it looked into."""
    from archgraph.spec.library import SUFFIXES

    paths = [Path(reference.partition("#")[0]).resolve() for reference in references]
    files = [path for path in paths if path.suffix in SUFFIXES]
    folders = {*(path.parent for path in files), *library.search}
    beside = (path for folder in folders for path in folder.glob("*") if path.suffix in SUFFIXES)
    return {*library.files, *files, *folders, *beside}


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
