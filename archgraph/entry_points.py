"""Plugins that are installed: found by their entry points, loaded once.

A distribution names them in its metadata, under the group `archgraph.plugins`; each is a module,
or a callable without arguments. Only what is installed is imported, never what a YAML file says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from threading import RLock

from archgraph.errors import ArchgraphError, Diagnostic, failure_of

GROUP = "archgraph.plugins"


# What was wrong with them, once they are loaded.
_failures: dict[str, tuple[Diagnostic, ...]] = {}
_lock = RLock()


def load_plugins() -> None:
    """Load every installed plugin, the first time.

    Raises:
        ArchgraphError: E141, one of them cannot be loaded; the same on every call.
    """
    with _lock:
        if GROUP not in _failures:
            # A plugin that compiles something while it is loaded must not load itself again.
            _failures[GROUP] = ()
            _failures[GROUP] = tuple(_load(metadata.entry_points(group=GROUP)))
    if _failures[GROUP]:
        raise ArchgraphError(_failures[GROUP])


def _load(points: Iterable[metadata.EntryPoint]) -> Iterator[Diagnostic]:
    """Load plugins in order; what is wrong with those that fail."""
    for point in sorted(points, key=_order):
        try:
            plugin = point.load()
            if callable(plugin):
                plugin()
        except (Exception, SystemExit) as error:
            yield _failure(point, error)


def _order(point: metadata.EntryPoint) -> tuple[str, str]:
    return _distribution(point), point.name


def _distribution(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown distribution"


def _failure(point: metadata.EntryPoint, error: BaseException) -> Diagnostic:
    said = failure_of(error)
    if isinstance(error, ArchgraphError):
        first = error.diagnostics[0]
        said = f"{first.code}: {first.message}" + (f"; {first.hint}" if first.hint else "")
    distribution = _distribution(point)
    message = f"plugin '{point.name}' of {distribution} ({point.value}) cannot be loaded: {said}"
    return Diagnostic("E141", message, None, f"mend or uninstall {distribution}")
