"""archgraph: a compiler for multi-scale neural networks.

    >>> import archgraph
    >>> module = archgraph.build("bifpn", channels=64, cells=3)

The public names are imported when they are first used, so that importing archgraph costs
nothing and torch is loaded by `build` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archgraph.compiler import (
        Compilation,
        build,
        check_spec,
        compile_spec,
        emit_source,
    )
    from archgraph.errors import ArchgraphError, Diagnostic
    from archgraph.plugins import fusion, operator, topology_pass

__version__ = "0.1.0"
__all__ = [
    "ArchgraphError",
    "Compilation",
    "Diagnostic",
    "__version__",
    "build",
    "check_spec",
    "compile_spec",
    "emit_source",
    "fusion",
    "operator",
    "topology_pass",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name in ("ArchgraphError", "Diagnostic"):
        from archgraph import errors

        return getattr(errors, name)
    if name in ("fusion", "operator", "topology_pass"):
        from archgraph import plugins

        return getattr(plugins, name)
    if name in __all__:
        from archgraph import compiler

        return getattr(compiler, name)
    raise AttributeError(f"module 'archgraph' has no attribute '{name}'")
