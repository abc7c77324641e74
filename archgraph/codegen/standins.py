"""Stand-ins for torch: code that runs with them records what it builds and computes.

Modules that hold others are real enough to register them under their names; every other class of
torch only remembers its arguments, every function only its operands. Nothing here lists what torch
has, so that a new operator needs nothing here.
"""

from __future__ import annotations

import builtins as real
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

from archgraph.codegen.symbols import Leaf, Name, Recorder, Training
from archgraph.ir import MAX_NODES
from archgraph.spec.names import MODULE_ATTRIBUTES


class Module:
    """`nn.Module`: registers the modules that become its attributes."""

    training = Training()
    forward: Callable[..., object]
    _modules: dict[str, Module | Leaf | None]

    def __init__(self) -> None:
        self.__dict__["_modules"] = {}

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, Module | Leaf):
            self.add_module(name, value, replaces=True)
        elif name in self.__dict__.get("_modules", ()):
            raise TypeError(f"module '{name}' becomes something else")
        elif name in MODULE_ATTRIBUTES:
            raise TypeError(f"'{name}' of every module is replaced")
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Module | Leaf:
        modules: dict[str, Module | Leaf | None] = self.__dict__.get("_modules", {})
        found = modules.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no '{name}'")
        return found

    def add_module(self, name: str, module: Module | Leaf, replaces: bool = False) -> None:
        """Register a module under a name that nothing else has."""
        if "_modules" not in self.__dict__:
            raise AttributeError("a module is assigned before super().__init__()")
        # What the class of a class has, such as `mro`, its instances have not.
        own = any(name in vars(base) for base in type(self).__mro__)
        hidden = name in MODULE_ATTRIBUTES or own
        if hidden or not name or "." in name:
            raise KeyError(f"no module can be called '{name}'")
        if name in self._modules and not replaces:
            raise KeyError(f"two modules are called '{name}'")
        self.__dict__.pop(name, None)
        self._modules[name] = module

    def get_submodule(self, path: str) -> Module | Leaf:
        """The module at a dotted path."""
        found: Module | Leaf = self
        for name in path.split("."):
            if isinstance(found, Leaf):
                raise AttributeError(f"nothing is known inside a {found._target}")
            found = found.__getattr__(name)
        return found

    def get_parameter(self, path: str) -> Bias:
        """The bias of a module inside: what is initialised on its own."""
        owner, _, name = path.rpartition(".")
        leaf = self.get_submodule(owner)
        if name != "bias" or not isinstance(leaf, Leaf):
            raise AttributeError(f"'{path}' is no bias")
        return Bias(leaf)

    def apply(self, function: object) -> Module:
        """Let a function initialise every module inside."""
        for _, leaf in self._leaves():
            leaf.apply(function)
        return self

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.forward(*args, **kwargs)

    def _leaves(self) -> Iterator[tuple[str, Leaf]]:
        """Every leaf with its path; one that is held twice comes twice."""
        waiting: list[tuple[str, Module | Leaf | None]] = [("", self)]
        while waiting:
            path, module = waiting.pop()
            if isinstance(module, Leaf):
                yield path, module
            elif module is not None:
                prefix = f"{path}." if path else ""
                children = reversed(module._modules.items())
                waiting.extend((prefix + name, child) for name, child in children)


@dataclass(frozen=True)
class Bias:
    """The bias of a module, which may be initialised."""

    leaf: Leaf


def constant_(bias: object, value: object) -> None:
    """`nn.init.constant_`, for biases."""
    if not isinstance(bias, Bias) or not isinstance(value, float):
        raise TypeError("only a bias is set to a number")
    bias.leaf._bias = value


class Identity(Module):
    """`nn.Identity`: hands on what it gets."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def forward(self, x: object) -> object:
        """The input itself."""
        return x


class _Numbered(Module):
    """Modules by number."""

    def __init__(self, modules: Iterable[Module | Leaf] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def extend(self, modules: Iterable[Module | Leaf]) -> None:
        """Add modules at the end."""
        for module in modules:
            self.append(module)

    def append(self, module: Module | Leaf) -> None:
        """Add a module at the end."""
        if not isinstance(module, Module | Leaf):
            raise TypeError(f"{type(module).__name__} is no module")
        self.add_module(str(len(self)), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module | Leaf | None]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> object:
        found = list(self._modules.values())[index]
        if not isinstance(found, list):
            return found
        if type(self) not in (ModuleList, Sequential):
            raise TypeError(f"a slice would be another {type(self).__name__}")
        part = type(self)()
        part._modules.update((str(i), module) for i, module in enumerate(found))
        return part


class ModuleList(_Numbered):
    """`nn.ModuleList`."""


class Sequential(_Numbered):
    """`nn.Sequential`: each module reads what the one before it gives."""

    def __init__(self, *modules: Module | Leaf) -> None:
        super().__init__(modules)

    def forward(self, x: object) -> object:
        """The result of the last module."""
        for module in self:
            if module is None:
                raise TypeError("a sequence holds None")
            x = module(x)
        return x


class ModuleDict(Module):
    """`nn.ModuleDict`."""

    def __init__(self, modules: Mapping[str, Module | Leaf] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self.add_module(name, module)

    def add_module(self, name: str, module: Module | Leaf, replaces: bool = False) -> None:
        """Register a module under a name that no mapping has."""
        if name in ("clear", "pop", "update"):
            raise KeyError(f"no module of a mapping can be called '{name}'")
        super().add_module(name, module, replaces)

    def __getitem__(self, name: str) -> Module | Leaf | None:
        return self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module | Leaf | None]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module | Leaf | None]]:
        """Names and modules."""
        return self._modules.items()


CONTAINERS: Mapping[str, type[Module]] = {
    "Identity": Identity,
    "Module": Module,
    "ModuleDict": ModuleDict,
    "ModuleList": ModuleList,
    "Sequential": Sequential,
}


# --- what a generated file sees ------------------------------------------------------------


class Torch(Name):
    """The module `torch`."""

    __slots__ = ()

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder, "torch")

    def __getattr__(self, name: str) -> object:
        return Nn(self._recorder) if name == "nn" else super().__getattr__(name)


class Nn(Name):
    """The module `torch.nn`, whose classes are modules."""

    __slots__ = ()

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder, "torch.nn")

    def __getattr__(self, name: str) -> object:
        if name in CONTAINERS:
            return CONTAINERS[name]
        if name == "init":
            return SimpleNamespace(constant_=constant_)
        if name[:1].isupper():
            return Name(self._recorder, f"torch.nn.{name}", is_module=True)
        return super().__getattr__(name)


STANDARD: Mapping[str, tuple[str, ...]] = {
    "__future__": ("annotations",),
    "collections.abc": ("Callable", "Iterable", "Iterator", "Mapping", "Sequence"),
    "math": ("ceil", "floor", "log2", "sqrt"),
    "typing": ("Any", "ClassVar", "Final"),
}
BUILTINS = """__build_class__ abs bool dict enumerate float int isinstance len list max min object
    reversed round sorted str sum super tuple zip""".split()


def builtins(torch: Torch) -> dict[str, object]:
    """The builtins of generated files: nothing that reaches outside, ranges of bounded length."""

    def bounded(*limits: int) -> range:
        found = range(*limits)
        if len(found) > MAX_NODES:
            raise ValueError(f"a range of {len(found):,}")
        return found

    def importer(name: str, _: object, __: object, wanted: tuple[str, ...], ___: int) -> object:
        if name.partition(".")[0] == "torch":
            found: object = torch
            for part in name.split(".")[1:] if wanted else ():
                found = getattr(found, part)
            return found
        if name not in STANDARD:
            raise ImportError(f"generated files do not import '{name}'")
        module = __import__(name, fromlist=["*"])
        return SimpleNamespace(**{part: getattr(module, part) for part in STANDARD[name]})

    known = {name: getattr(real, name) for name in BUILTINS}
    return {**known, "range": bounded, "__import__": importer}
