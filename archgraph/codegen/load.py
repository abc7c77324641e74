"""Generated source as a live module: it pickles, and its errors speak of the spec.

A pickle of such a module carries the source beside the state, so that any process that has
archgraph reads it. It is a pickle all the same: reading one runs the code that it brings.
"""

from __future__ import annotations

import copyreg
import hashlib
import linecache
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from archgraph.codegen.failures import Origins, explained

if TYPE_CHECKING:
    from torch import nn

    from archgraph.codegen.source import GeneratedSource

    Reduced = tuple[Callable[..., nn.Module], tuple[object, ...], object]


def load_module(source: GeneratedSource) -> nn.Module:
    """Import the text and make one instance of its network, freshly initialised."""
    program = import_program(source.text, source.class_name, source.origins)
    network: nn.Module = getattr(program.module, source.class_name)()
    return network


@dataclass(frozen=True, eq=False)
class Program:
    """A text that is imported as a Python module.

    Its instances refer to it in their pickles, which therefore hold it once. Copies share it.
    """

    text: str
    network: str
    origins: Origins

    @cached_property
    def name(self) -> str:
        """The name of the Python module: equal programs have equal names in every process."""
        content = repr((self.text, self.network, sorted(self.origins.items())))
        return f"archgraph_generated_{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    @property
    def module(self) -> types.ModuleType:
        """The Python module."""
        return sys.modules[self.name]

    def __deepcopy__(self, _: dict[int, object]) -> Program:
        return self

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # Plain values, so that pickles outlive changes of this class.
        return import_program, (self.text, self.network, dict(self.origins))


def import_program(text: str, network: str, origins: Origins) -> Program:
    """Import a generated text, unless this process has it; part of the format of pickles.

    Args:
        text: the text of a generated file.
        network: the name of the class that is the whole network.
        origins: what its lines compute, and where the spec says so, for the notes on errors.
    """
    program = Program(text, network, origins)
    if program.name not in sys.modules:
        # Two threads may both get here: then the classes of the first one stay.
        sys.modules.setdefault(program.name, _executed(program))
    found: Program = vars(program.module)["__archgraph__"]
    return found


def new_instance(program: Program, class_name: str) -> nn.Module:
    """An instance whose state is still to come; part of the format of pickles."""
    kind: type[nn.Module] = getattr(program.module, class_name)
    return kind.__new__(kind)


def _executed(program: Program) -> types.ModuleType:
    file = f"<{program.name}>"
    module = types.ModuleType(program.name)
    module.__file__ = file
    lines = program.text.splitlines(keepends=True)
    linecache.cache[file] = (len(program.text), None, lines, file)
    exec(compile(program.text, file, "exec"), vars(module))
    vars(module)["__archgraph__"] = program
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == program.name:
            # By exact class: what torch or a user derives from it pickles as it always does.
            copyreg.pickle(value, _reducer(program))
    network: type[nn.Module] = getattr(module, program.network)
    setattr(network, "__call__", explained(file, program.origins))  # noqa: B010
    return module


def _reducer(program: Program) -> Callable[[nn.Module], Reduced]:
    def reduce(instance: nn.Module) -> Reduced:
        state = object.__reduce_ex__(instance, 2)[2]
        return new_instance, (program, type(instance).__name__), state

    return reduce
