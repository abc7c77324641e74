"""Generated source as a live module, whose tracebacks show the generated lines."""

from __future__ import annotations

import hashlib
import linecache
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from archgraph.codegen.source import GeneratedSource


def load_module(source: GeneratedSource) -> nn.Module:
    """Import the text and make one instance of its network, freshly initialised.

    The Python module is registered under a name made of the text's digest, so that instances
    can be pickled and copied in this process and equal sources share one.
    """
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
    name = f"archgraph_generated_{digest}"
    if name not in sys.modules:
        file = f"<{name}>"
        module = types.ModuleType(name)
        module.__file__ = file
        lines = source.text.splitlines(keepends=True)
        linecache.cache[file] = (len(source.text), None, lines, file)
        exec(compile(source.text, file, "exec"), vars(module))
        sys.modules[name] = module
    network: nn.Module = getattr(sys.modules[name], source.class_name)()
    return network
