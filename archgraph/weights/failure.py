"""How this room says no."""

from __future__ import annotations

from archgraph.errors import Diagnostic, WeightsError


def failed(code: str, message: str, hint: str = "") -> WeightsError:
    """The exception for one mistake, which no line of a spec made."""
    return WeightsError(Diagnostic(code, message, None, hint))
