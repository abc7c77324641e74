"""Files of documents: reading them, finding documents by name, and `extends`.

A name is looked up in the file that uses it, then in the files beside that file, then in the
folders of the search path, then in the library. Nothing else is ever read: a name is never a
path, and a link that leads out of its folder is not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archgraph.errors import (
    ArchgraphError,
    Diagnostic,
    InputOutputError,
    Location,
    SpecError,
    suggest,
)
from archgraph.expressions.step import BY_NAME, looks_like_path
from archgraph.spec.documents import KINDS, AnyDocument, kind_of, make_document
from archgraph.spec.merge import merge
from archgraph.spec.names import DOCUMENT_NAME
from archgraph.spec.reader import MAX_BYTES, RawDocument, read_documents

SUFFIXES = (".yaml", ".yml")
MAX_CHAIN, MAX_DOCUMENTS = 64, 100
_HEADS = re.compile(rf"""^(?:{"|".join(KINDS)}):[ \t]+["']?([A-Za-z][\w-]*)""", re.MULTILINE)


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
    """Finds documents by name or path; reads every file once.

    Args:
        root: the folder of the library; by default the one that comes with archgraph.
        search: folders in which names are looked up before the library, the first one first.

    Raises:
        InputOutputError: E001, a folder of the search path is none.
    """

    def __init__(self, root: Path | None = None, search: Sequence[str | Path] = ()) -> None:
        self.root = (root or library_root()).resolve()
        self.search = tuple(_folder(each) for each in search)
        self._files: dict[Path, SpecFile] = {}
        self._by_display: dict[str, SpecFile] = {}
        self._documents: dict[tuple[str, str], AnyDocument] = {}
        self._indexes: dict[Path, dict[str, list[Path]]] = {}

    @property
    def files(self) -> list[Path]:
        """The files that were read."""
        return list(self._files)

    def read(self, path: Path) -> SpecFile:
        """Read a file of documents.

        Raises:
            InputOutputError: E001, it cannot be read.
            SpecError: it is not YAML, or two documents in it have one name.
        """
        try:
            path = path.resolve()
        except (ValueError, OSError, RuntimeError):  # a NUL, too long, links in a circle
            message = f"cannot read '{path}': no file can be called so"
            raise InputOutputError(Diagnostic("E001", message)) from None
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
        found = self.find(reference, None)
        if found is None:
            hint = suggest(reference, self.names(), "the library has")
            if any(Path(reference + suffix).is_file() for suffix in SUFFIXES):
                hint = f"did you mean the file '{reference}.yaml'?"
            raise SpecError(Diagnostic("E109", f"there is no spec '{reference}'", None, hint))
        return found

    def find(
        self, name: str, near: str | None, skip: frozenset[tuple[str, str]] = frozenset()
    ) -> tuple[SpecFile, str] | None:
        """Look a name up from the file called `near`; documents in `skip` are passed over."""
        file = self._by_display.get(near) if near else None
        if file and name in file.documents and (file.display, name) not in skip:
            return file, name
        for folder in self._folders(file):
            for path in self._index(folder).get(name, ()):
                if (self._display(path), name) in skip:
                    continue
                found = self.read(path)
                if name in found.documents:  # else the index took text for the head of one
                    return found, name
        return None

    def refuse_ambiguous(
        self, found: tuple[SpecFile, str], near: str | None, where: Location | None
    ) -> None:
        """Refuse a document that two files of one folder hold, unless the own file does.

        Raises:
            SpecError: E104, there are two.
        """
        file, name = found
        if file.display == near:
            return
        for folder in self._folders(self._by_display.get(near) if near else None):
            paths = self._index(folder).get(name, [])
            if file.path not in paths:
                continue
            others = [path for path in paths if path != file.path and self._display(path) != near]
            if any(self._holds(path, name) for path in others):
                names = f"'{file.display}' and in '{self._display(others[0])}'"
                hint = "rename one of them; a document of the same file would come first"
                raise SpecError(Diagnostic("E104", f"'{name}' is in {names}", where, hint))
            return

    def _holds(self, path: Path, name: str) -> bool:
        try:
            return name in self.read(path).documents
        except ArchgraphError:  # whoever uses that file is told
            return False

    def _folders(self, file: SpecFile | None) -> list[Path]:
        """Where the names of a file are looked up, besides in itself."""
        return [*([file.path.parent] if file else []), *self.search, self.root]

    def origin(self, file: SpecFile) -> str:
        """Where a file comes from, if not from where the user is: the library, or a folder."""
        if file.path.is_relative_to(self.root):
            return "library"
        found = (each for each in self.search if file.path.is_relative_to(each))
        return next((f"search path {self._display(each)}" for each in found), "")

    def names(self, near: str | None = None) -> set[str]:
        """Every name that `find` would find, for suggestions."""
        file = self._by_display.get(near) if near else None
        found = set(file.documents) if file else set()
        return found.union(*(self._index(folder) for folder in self._folders(file)))

    def document(self, file: SpecFile, name: str) -> AnyDocument:
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
            hint = BY_NAME if looks_like_path(base_name) else hint
            raise SpecError(Diagnostic("E109", f"there is no '{base_name}' to extend", where, hint))
        self.refuse_ambiguous(found, file.display, where)
        base = self._merged(*found, chain)
        kind, base_kind = kind_of(raw), kind_of(base)
        if kind != base_kind:
            message = f"a {kind} cannot extend '{base_name}', which is a {base_kind}"
            hint = "what is not of its kind is named under 'use', 'block' or 'fuse'"
            raise SpecError(Diagnostic("E116", message, where, hint))
        return merge(base, raw)

    def _display(self, path: Path) -> str:
        """How messages call a file: below the library, or relative to the current folder."""
        if path.is_relative_to(self.root):
            return f"specs/{path.relative_to(self.root).as_posix()}"
        try:
            return Path(os.path.relpath(path)).as_posix()
        except ValueError:  # another drive on Windows
            return path.as_posix()

    def _index(self, folder: Path) -> Mapping[str, list[Path]]:
        """Names of documents in the files of a folder.

        The library and the search path are searched below too.
        """
        if folder not in self._indexes:
            index: dict[str, list[Path]] = {}
            deep = folder == self.root or folder in self.search
            for path in sorted(_yaml_files(folder, deep)):
                try:
                    inside = path.resolve().is_relative_to(folder)
                    if not inside or not path.is_file() or path.stat().st_size > MAX_BYTES:
                        continue
                    text = path.read_text("utf-8", errors="replace")
                except (OSError, RuntimeError):  # the latter for links that go in a circle
                    continue
                for match in _HEADS.finditer(text):
                    paths = index.setdefault(match[1], [])
                    if path.resolve() not in paths:
                        paths.append(path.resolve())
            self._indexes[folder] = index
        return self._indexes[folder]


def _folder(path: str | Path) -> Path:
    """A folder of the search path.

    Raises:
        InputOutputError: E001, there is no such folder.
    """
    found = Path(path).resolve()
    if not found.is_dir():
        message = f"'{path}' is no folder, so names cannot be looked up in it"
        raise InputOutputError(Diagnostic("E001", message))
    return found


def _yaml_files(folder: Path, deep: bool) -> Iterator[Path]:
    for suffix in SUFFIXES:
        yield from folder.rglob(f"*{suffix}") if deep else folder.glob(f"*{suffix}")


def _main_document(file: SpecFile) -> str:
    if file.path.stem in file.documents:
        return file.path.stem

    def last(kind: str) -> list[str]:
        return [name for name, raw in file.documents.items() if kind_of(raw) == kind][-1:]

    return (last("model") or last("topology") or last("backbone") or list(file.documents))[-1]


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
            message = f"'{name}' cannot name a {kind}"
            if name is None:
                message, hint = f"'{kind}' has no name after it", f"write '{kind}: my-{kind}'"
            faults.append(Diagnostic("E105", message, where, hint))
        elif name in found:
            line = found[name].place.location.line
            message = f"'{name}' is defined twice, first on line {line}"
            faults.append(Diagnostic("E104", message, where))
        else:
            found[name] = raw
    if faults:
        raise SpecError(faults)
    return found
