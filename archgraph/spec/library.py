"""Files of documents: reading them, finding documents by name, and `extends`.

A name is looked up in the file that uses it, then in the files beside that file, then in the
library. Nothing else is ever read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archgraph.errors import Diagnostic, InputOutputError, Location, SpecError, suggest
from archgraph.spec.documents import BlockDocument, TopologyDocument, kind_of, make_document
from archgraph.spec.names import DOCUMENT_NAME
from archgraph.spec.reader import MAX_BYTES, Data, Place, RawDocument, read_documents

SUFFIXES = (".yaml", ".yml")
MAX_CHAIN, MAX_DOCUMENTS = 64, 100
_HEADS = re.compile(
    r"""^(?:block|topology|backbone|model):[ \t]+["']?([A-Za-z][\w-]*)""", re.MULTILINE
)


@dataclass
class SpecFile:
    """A file that was read: its documents by name, and how messages call it."""

    path: Path
    display: str
    documents: dict[str, RawDocument] = field(default_factory=dict)


def library_root() -> Path:
    """The folder of the specs that come with archgraph: in the package, or beside it."""
    inside = Path(__file__).resolve().parent.parent / "specs"
    return inside if inside.is_dir() else inside.parent.parent / "specs"


class Library:
    """Finds documents by name or path; reads every file once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or library_root()).resolve()
        self._files: dict[Path, SpecFile] = {}
        self._by_display: dict[str, SpecFile] = {}
        self._documents: dict[tuple[str, str], BlockDocument | TopologyDocument] = {}
        self._indexes: dict[Path, dict[str, Path]] = {}

    def read(self, path: Path) -> SpecFile:
        """Read a file of documents.

        Raises:
            InputOutputError: E001, it cannot be read.
            SpecError: it is not YAML, or two documents in it have one name.
        """
        path = path.resolve()
        if path not in self._files:
            display = self._display(path)
            file = SpecFile(path, display)
            self._by_display[display] = file
            try:
                content = path.read_bytes()
            except OSError as error:
                message = f"cannot read '{display}': {error.strerror or error}"
                raise InputOutputError(Diagnostic("E001", message)) from None
            file.documents = _by_name(read_documents(content, display))
            self._files[path] = file
        return self._files[path]

    def open(self, reference: str) -> tuple[SpecFile, str]:
        """What a user means by `bifpn`, `neck.yaml` or `neck.yaml#name`: a file and a document.

        A file without `#name` means the document named like the file, else its last topology,
        else its last document.
        """
        path_text, _, name = reference.partition("#")
        if path_text.endswith(SUFFIXES) or "/" in path_text or os.sep in path_text:
            file = self.read(Path(path_text))
            if name and name not in file.documents:
                message = f"'{file.display}' has no document '{name}'"
                hint = suggest(name, file.documents, "it has")
                raise SpecError(Diagnostic("E109", message, None, hint))
            return file, name or _main_document(file)
        index = self._index(self.root)
        if reference not in index:
            hint = suggest(reference, index, "the library has")
            if any(Path(reference + suffix).is_file() for suffix in SUFFIXES):
                hint = f"did you mean the file '{reference}.yaml'?"
            raise SpecError(Diagnostic("E109", f"there is no spec '{reference}'", None, hint))
        return self.read(index[reference]), reference

    def find(
        self, name: str, near: str | None, skip: frozenset[tuple[str, str]] = frozenset()
    ) -> tuple[SpecFile, str] | None:
        """Look a name up from the file called `near`; documents in `skip` are passed over."""
        file = self._by_display.get(near) if near else None
        if file and name in file.documents and (file.display, name) not in skip:
            return file, name
        for folder in ([file.path.parent] if file else []) + [self.root]:
            path = self._index(folder).get(name)
            if path and (self._display(path), name) not in skip:
                found = self.read(path)
                if name in found.documents:  # else the index took text for the head of one
                    return found, name
        return None

    def names(self, near: str | None = None) -> set[str]:
        """Every name that `find` would find, for suggestions."""
        file = self._by_display.get(near) if near else None
        found = set(self._index(self.root))
        if file:
            found |= set(file.documents) | set(self._index(file.path.parent))
        return found

    def document(self, file: SpecFile, name: str) -> BlockDocument | TopologyDocument:
        """A document with everything it extends merged in.

        Raises:
            SpecError: the document is wrong (E101, E106, E107, E108), or what it extends is
                missing (E109), of another kind (E116) or a cycle (E110).
        """
        key = (file.display, name)
        if key not in self._documents:
            self._documents[key] = make_document(self._merged(file, name, ()))
        return self._documents[key]

    def _merged(self, file: SpecFile, name: str, chain: tuple[tuple[str, str], ...]) -> RawDocument:
        raw = file.documents[name]
        base_name = raw.data.get("extends")
        if not isinstance(base_name, str):
            if "remove" in raw.data and base_name is None:
                where = raw.place.at("remove").location
                message = "'remove' takes nodes away from what a document extends"
                raise SpecError(Diagnostic("E117", message, where, "say 'extends: NAME' too"))
            return raw
        chain = (*chain, (file.display, name))
        where = raw.place.at("extends").location
        if len(chain) > MAX_CHAIN:
            message = f"more than {MAX_CHAIN} documents extend one another"
            raise SpecError(Diagnostic("E110", message, where))
        found = self.find(base_name, file.display, frozenset(chain))
        if found is None:
            if any(base_name == known for _, known in chain):
                cycle = " -> ".join([*(known for _, known in chain), base_name])
                raise SpecError(Diagnostic("E110", f"'extends' goes in a circle: {cycle}", where))
            hint = suggest(base_name, self.names(file.display))
            raise SpecError(Diagnostic("E109", f"there is no '{base_name}' to extend", where, hint))
        base = self._merged(*found, chain)
        kind, base_kind = kind_of(raw), kind_of(base)
        if kind != base_kind:
            message = f"a {kind} cannot extend '{base_name}', which is a {base_kind}"
            raise SpecError(Diagnostic("E116", message, where))
        return merge(base, raw)

    def _display(self, path: Path) -> str:
        """How messages call a file: below the library, or relative to the current folder."""
        if path.is_relative_to(self.root):
            return f"specs/{path.relative_to(self.root).as_posix()}"
        try:
            return Path(os.path.relpath(path)).as_posix()
        except ValueError:  # another drive on Windows
            return path.as_posix()

    def _index(self, folder: Path) -> Mapping[str, Path]:
        """Names of documents in the files of a folder; the library is searched below too."""
        if folder not in self._indexes:
            index: dict[str, Path] = {}
            for path in sorted(_yaml_files(folder, deep=folder == self.root)):
                try:
                    if not path.is_file() or path.stat().st_size > MAX_BYTES:
                        continue
                    text = path.read_text("utf-8", errors="replace")
                except OSError:
                    continue
                for match in _HEADS.finditer(text):
                    index.setdefault(match[1], path.resolve())
            self._indexes[folder] = index
        return self._indexes[folder]


def _yaml_files(folder: Path, deep: bool) -> Iterator[Path]:
    for suffix in SUFFIXES:
        yield from folder.rglob(f"*{suffix}") if deep else folder.glob(f"*{suffix}")


def _main_document(file: SpecFile) -> str:
    if file.path.stem in file.documents:
        return file.path.stem
    topologies = [name for name, raw in file.documents.items() if "topology" in raw.data]
    return (topologies or list(file.documents))[-1]


def _by_name(raws: list[RawDocument]) -> dict[str, RawDocument]:
    found: dict[str, RawDocument] = {}
    faults: list[Diagnostic] = []
    if len(raws) > MAX_DOCUMENTS:
        message = f"a file has at most {MAX_DOCUMENTS} documents"
        raise SpecError(Diagnostic("E007", message, raws[MAX_DOCUMENTS].place.location))
    for raw in raws:
        try:
            kind = kind_of(raw)
        except SpecError as error:
            faults.extend(error.diagnostics)
            continue
        name = raw.data[kind]
        where = raw.place.at(kind).location
        if not isinstance(name, str) or not DOCUMENT_NAME.match(name):
            hint = "names of documents are letters, digits, '-' and '_'"
            faults.append(Diagnostic("E105", f"'{name}' cannot name a {kind}", where, hint))
        elif name in found:
            line = found[name].place.location.line
            message = f"'{name}' is defined twice, first on line {line}"
            faults.append(Diagnostic("E104", message, where))
        else:
            found[name] = raw
    if faults:
        raise SpecError(faults)
    return found


# --- extends -------------------------------------------------------------------------------


def merge(base: RawDocument, over: RawDocument) -> RawDocument:
    """`over` on top of `base`: mappings by key, `nodes` by name, other values replaced.

    Raises:
        SpecError: E117, `remove` names a node that `base` does not have.
    """
    if "remove" in over.data:
        base = _without(base, over.data["remove"], over.place.children["remove"])
    data, place = _merge_mapping(base.data, base.place, over.data, over.place)
    kind = kind_of(over)
    head = {"archgraph": 1, kind: over.data[kind]}
    rest = {k: v for k, v in data.items() if k not in (*head, "extends", "remove")}
    return RawDocument({**head, **rest}, place)


def _merge_mapping(
    base: Mapping[str, Data], base_place: Place, over: Mapping[str, Data], over_place: Place
) -> tuple[dict[str, Data], Place]:
    data = dict(base)
    children = dict(base_place.children)
    for key, value in over.items():
        place = over_place.children[key]
        before = data.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged, merged_place = _merge_mapping(before, children[key], value, place)
            data[key], children[key] = merged, merged_place
        elif key == "nodes" and isinstance(before, list) and isinstance(value, list):
            data[key], children[key] = _merge_nodes(before, children[key], value, place)
        else:
            data[key], children[key] = value, place
    return data, Place(over_place.location, over_place.key, children)


def _merge_nodes(
    base: list[Data], base_place: Place, over: list[Data], over_place: Place
) -> tuple[list[Data], Place]:
    """Nodes by name; a new one is appended."""
    nodes = list(base)
    places = [base_place.children[i] for i in range(len(base))]
    index = {_node_name(node): i for i, node in enumerate(nodes)}
    for i, node in enumerate(over):
        place = over_place.children[i]
        position = index.get(_node_name(node))
        if position is None:
            nodes.append(node)
            places.append(place)
            continue
        before = nodes[position]
        if isinstance(before, dict) and isinstance(node, dict):
            merged, merged_place = _merge_mapping(before, places[position], node, place)
            nodes[position], places[position] = merged, merged_place
    return nodes, Place(over_place.location, over_place.key, {**dict(enumerate(places))})


def _without(base: RawDocument, names: Data, place: Place) -> RawDocument:
    """`base` without the nodes called so, whose names are then free again."""
    nodes = base.data.get("nodes")
    wanted = [names] if isinstance(names, str) else names if isinstance(names, list) else []
    if not isinstance(nodes, list):
        return base
    known = [str(_node_name(node)) for node in nodes]
    faults: list[Diagnostic] = []
    for i, name in enumerate(wanted):
        if name not in known:
            where: Location = place.at(i).location
            hint = suggest(str(name), known, "it has")
            faults.append(Diagnostic("E117", f"there is no node '{name}' to remove", where, hint))
    if faults:
        raise SpecError(faults)
    kept = [i for i, name in enumerate(known) if name not in wanted]
    old = base.place.children["nodes"]
    places: dict[str | int, Place] = {j: old.children[i] for j, i in enumerate(kept)}
    data = {**base.data, "nodes": [nodes[i] for i in kept]}
    children = {**base.place.children, "nodes": Place(old.location, old.key, places)}
    return RawDocument(data, Place(base.place.location, base.place.key, children))


def _node_name(node: Data) -> Data:
    """What tells a node: its name as written, before any template is filled."""
    return node.get("name") if isinstance(node, dict) else None
