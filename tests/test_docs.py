"""What the documents show is what archgraph does.

Snippets are told apart by the line that opens them:

    ```yaml                 a spec that `check` finds nothing wrong with
    ```yaml wrong=E102      a spec with exactly these codes (several are joined by commas)
    ```yaml fragment        part of a spec: only read as YAML
    ```python               run; the snippets of one document share their names
    ```python excerpt=FILE  lines that stand together in a file that an earlier snippet wrote
    ```console              `$ archgraph ...` and all that it prints; a line `...` stands for any
                            lines; `exit=1` after the language is the exit code
    ```sh                   lines that begin with `archgraph` are run, nothing is compared
    ```text printed         what the python snippet before it prints

Anything else is not run. A spec whose first line is `# NAME.yaml` is written to that file, and
later snippets of the document find it. `--update-goldens` writes the output of the commands into
the documents (but where `...` stands), what python prints, and the figures.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import pytest

from archgraph.cli.main import main
from archgraph.compiler import check_spec
from archgraph.expressions import Step
from archgraph.expressions.grammar import BUILTINS
from archgraph.ir.ops import OPERATORS, Conv
from archgraph.ir.settings import ROOT_SETTINGS
from archgraph.ir.signature import ALIASES, FUSIONS
from archgraph.passes import PASSES
from archgraph.spec import KINDS, Library, Located, StepParameter
from archgraph.spec.documents import Document
from archgraph.spec.names import OWN_NAMES
from archgraph.spec.reader import read_documents
from tests.plugin_tables import kept_tables

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FIGURES = DOCS / "figures"
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
FILE_LINE = re.compile(r"# ([\w-]+\.yaml)\n")
LINK = re.compile(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
WIDTH = 100


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a document."""

    line: int
    language: str
    options: Mapping[str, str]
    body: str
    span: tuple[int, int]  # of the body, in the text of the document


@dataclass
class Reader:
    """Someone who does what a document says, in an empty folder."""

    folder: Path
    names: dict[str, object] = field(default_factory=dict)
    printed: str = ""

    def follow(self, snippet: Snippet) -> str | None:
        """Do what a snippet says; what is wrong with it, if anything is."""
        match snippet.language, snippet.options:
            case "yaml", {"fragment": _}:
                lead = "nodes:\n" if snippet.body.startswith("- ") else ""
                read_documents(lead + snippet.body, "fragment")
            case "yaml", options:
                return self.check(snippet.body, options.get("wrong", ""))
            case "python", {"excerpt": name}:
                text = (self.folder / name).read_text("utf-8")
                if not snippet.body or f"\n{snippet.body}" not in text:
                    return f"these lines do not stand in {name}"
            case "python", _:
                return self.run(snippet.body, snippet.line)
            case "text", {"printed": _}:
                return difference(snippet.body, self.printed)
            case "console", options:
                return self.enter(snippet.body, int(options.get("exit", 0)))
            case "sh", _:
                commands = [c for c in joined(snippet.body) if c.startswith("archgraph ")]
                failed = [command for command in commands if archgraph(command)[0] != 0]
                return f"failed: {failed}" if failed else None
        return None

    def check(self, text: str, wrong: str) -> str | None:
        named = FILE_LINE.match(text)
        name = named[1] if named else "snippet.yaml"
        (self.folder / name).write_text(text, "utf-8")
        found = check_spec(name)
        codes = {diagnostic.code for diagnostic in found}
        if codes == set(filter(None, wrong.split(","))):
            return None
        return "\n".join([f"expected {wrong or 'nothing'}, found", *map(str, found)])

    def run(self, source: str, line: int) -> str | None:
        importlib.invalidate_caches()
        # Blank lines before it let a traceback point into the document.
        code = compile("\n" * line + source, "snippet", "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, self.names)
        self.printed = output.getvalue()
        return None

    def enter(self, body: str, exit_code: int) -> str | None:
        complaints: list[str] = []
        for command, expected in dialogue(body):
            code, output = archgraph(command)
            if code != exit_code:
                complaints.append(f"{command}: exit code {code}\n{output}")
            elif complaint := difference(expected, output):
                complaints.append(f"{command}: {complaint}")
        return "\n".join(complaints) or None


def snippets(text: str) -> Iterator[Snippet]:
    for found in FENCE.finditer(text):
        language, *rest = found["info"].split() or [""]
        options = dict(word.partition("=")[::2] for word in rest)
        line = text.count("\n", 0, found.start()) + 1
        yield Snippet(line, language, options, found["body"], found.span("body"))


def joined(body: str) -> list[str]:
    """Lines of a shell, with what a backslash continues."""
    return body.replace("\\\n", " ").splitlines()


def dialogue(body: str) -> list[tuple[str, str]]:
    """The commands of a console, each with the output that is shown."""
    parts = re.split(r"^\$ (.*)\n", body.replace("\\\n", " "), flags=re.MULTILINE)
    assert not parts[0].strip(), "a console starts with '$ archgraph ...'"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def archgraph(command: str) -> tuple[int, str]:
    """The exit code of a command line, and all that it prints, in order."""
    program, *arguments = shlex.split(command)
    assert program == "archgraph", f"'{command}' is not run here; show it as sh"
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(arguments)
    return code, output.getvalue()


def difference(expected: str, actual: str) -> str | None:
    """What differs; a line `...` stands for any lines, trailing blanks do not count."""
    lines = [line.rstrip() for line in actual.rstrip().splitlines()]
    chunks: list[list[str]] = [[]]
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            chunks.append([])
        else:
            chunks[-1].append(line.rstrip())
    if len(chunks) == 1:
        if chunks[0] == lines:
            return None
        return "\n".join(["it prints", *lines, "and not", *chunks[0]])
    position = 0
    for i, chunk in enumerate(chunks):
        first, last = i == 0, i == len(chunks) - 1
        starts = range(position, len(lines) - len(chunk) + 1)
        wanted = starts[:1] if first else starts[-1:] if last and chunk else starts
        here = next((s for s in wanted if lines[s : s + len(chunk)] == chunk), None)
        if here is None:
            shown = [*lines[:20], "..."] if len(lines) > 20 else lines
            return "\n".join(["it prints", *shown, "in which this does not stand:", *chunk])
        position = here + len(chunk)
    return None


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    before = set(sys.modules)
    with kept_tables():
        yield Reader(tmp_path)
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin and Path(origin).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_snippet_does_what_it_says(
    document: Path, reader: Reader, update_goldens: bool
) -> None:
    text = document.read_text("utf-8")
    assert text.count("```") == 2 * len(list(snippets(text)))
    complaints: list[str] = []
    rewritten: list[tuple[Snippet, str]] = []
    for snippet in snippets(text):
        if update_goldens and "\n...\n" not in snippet.body:
            if snippet.language == "console":
                rewritten.append((snippet, replayed(snippet.body)))
                continue
            if "printed" in snippet.options:
                rewritten.append((snippet, reader.printed))
                continue
        if complaint := reader.follow(snippet):
            complaints.append(f"{document.name}:{snippet.line}: {complaint}")
    for snippet, body in reversed(rewritten):
        text = text[: snippet.span[0]] + body + text[snippet.span[1] :]
    for drawn in sorted(reader.folder.glob("*.svg")):
        figure = FIGURES / drawn.name
        if update_goldens and f"figures/{drawn.name}" in text:
            FIGURES.mkdir(exist_ok=True)
            figure.write_bytes(drawn.read_bytes())
        if figure.exists() and figure.read_bytes() != drawn.read_bytes():
            complaints.append(f"{document.name}: docs/figures/{drawn.name} is not what is drawn")
    if rewritten:
        document.write_text(text, "utf-8")
    assert not complaints, "\n\n".join(complaints)


def replayed(body: str) -> str:
    """A console with what its commands print now."""
    commands = re.findall(r"^\$ (?:.*\\\n)*.*\n", body, flags=re.MULTILINE)
    outputs = [archgraph(command)[1] for command, _ in dialogue(body)]
    gap = "\n" if len(commands) > 1 else ""
    shown = [f"{c}{o.rstrip()}\n" for c, o in zip(commands, outputs, strict=True)]
    return "".join(f"{gap if i else ''}{part}" for i, part in enumerate(shown))


# --- the text itself ------------------------------------------------------------------------


def prose(text: str) -> str:
    """A document without its snippets; the lines keep their numbers."""
    return FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def anchors(text: str) -> set[str]:
    """The names under which the headings of a document can be linked to."""
    headings = re.findall(r"^#+ +(.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    dead: list[str] = []
    for found in LINK.finditer(prose(document.read_text("utf-8"))):
        path, _, anchor = (found[1] or found[2]).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            dead.append(found[0])
    assert not dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_are_short(document: Path) -> None:
    lines = prose(document.read_text("utf-8")).splitlines()
    long = [i for i, line in enumerate(lines, 1) if len(line) > WIDTH and not line.startswith("|")]
    assert not long, f"lines of more than {WIDTH} characters: {long}"


def test_every_figure_is_shown() -> None:
    texts = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    assert [f.name for f in FIGURES.glob("*") if f"figures/{f.name}" not in texts] == []


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a\nb\n", "a\nb  \n\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nc\n", "a\nb\nc\n", True),
        ("...\nb\n...\n", "a\nb\nc\n", True),
        ("b\n...\n", "a\nb\n", False),
        ("a\n...\nb\n", "a\nb\nc\n", False),
        ("...\nc\n...\na\n...\n", "a\nb\nc\n", False),
    ],
)
def test_dots_stand_for_lines(expected: str, actual: str, same: bool) -> None:
    assert (difference(expected, actual) is None) is same


# --- docs/language.md names everything the code knows -------------------------------------------


def language() -> str:
    return (DOCS / "language.md").read_text("utf-8")


def tables() -> dict[str, dict[str, str]]:
    """The tables after `<!-- NAME -->`: the word that starts each row, and the row."""
    found: dict[str, dict[str, str]] = {}
    for match in re.finditer(r"^<!-- ([\w ]+) -->\n+((?:\|.*\n)+)", language(), re.MULTILINE):
        rows = match[2].splitlines()[2:]
        found[match[1]] = {row.split("`")[1]: row for row in rows}
    return found


def mappings(base: type[Located] = Located) -> Iterator[type[Located]]:
    """Every mapping of the language."""
    for each in base.__subclasses__():
        if each is not Document and not each.__name__.startswith("_"):
            yield each
        yield from mappings(each)


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def missing(words: Sequence[str]) -> list[str]:
    text = language()
    return [word for word in words if f"`{word}`" not in text]


@pytest.mark.parametrize("mapping", list(mappings()), ids=lambda mapping: mapping.__name__)
def test_a_table_has_the_keys_of_the_mapping(mapping: type[Located]) -> None:
    rows = tables().get(mapping.__name__, {})
    assert {key for key in rows if "<" not in key} == set(mapping.known_keys())


def test_operators_have_their_rows() -> None:
    rows = tables()["operators"]
    assert list(rows) == list(OPERATORS)
    for name, operator in OPERATORS.items():
        for each in fields(operator):
            default = "" if each.default is MISSING else f"={text_of(each.default)}"
            assert f"`{each.name}{default}`" in rows[name]


def test_fusions_and_activations_have_their_rows() -> None:
    assert list(tables()["fusions"]) == list(FUSIONS)
    assert list(tables()["activations"]) == list(ALIASES)


def test_passes_have_their_rows() -> None:
    rows = tables()["passes"]
    assert list(rows) == list(PASSES)
    for name, kind in PASSES.items():
        for each in fields(kind):
            assert each.name == "location" or f"`{each.name}`" in rows[name]


def test_the_library_has_its_rows() -> None:
    library = Library()
    documents = [library.document(*library.open(name)) for name in sorted(library.names())]
    for kind in KINDS:
        rows = tables()[f"library {kind}"]
        mine = [document for document in documents if document.kind == kind]
        assert sorted(rows) == [document.name for document in mine]
        for document in mine:
            for name, form in document.parameters.items():
                value = form.step if isinstance(form, StepParameter) else form
                shown = f"={text_of(value)}" if isinstance(value, bool | int | str) else ""
                shown = "" if value == "required" else shown
                assert f"`{name}{shown}`" in rows[document.name]


def test_settings_show_their_defaults() -> None:
    rows = tables()["SettingsModel"]
    for each in fields(ROOT_SETTINGS):
        value = getattr(ROOT_SETTINGS, each.name)
        if value is None:  # the default of the operator
            value = getattr(Conv, each.name)
        assert f"`{value.text if isinstance(value, Step) else text_of(value)}`" in rows[each.name]


def test_functions_and_own_names_are_named() -> None:
    assert not missing([*BUILTINS, *OWN_NAMES])


def test_warnings_are_named() -> None:
    sources = "".join(p.read_text("utf-8") for p in (ROOT / "archgraph").rglob("*.py"))
    codes = sorted(set(re.findall(r"\"(W50\d)\"", sources)))
    assert codes
    assert not missing(codes)
