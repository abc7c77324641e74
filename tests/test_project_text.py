"""What no text of the project may hold: machines, registries, notes to self."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = re.compile(r"\.git|\.venv|\.[a-z]+_cache|\.hypothesis|__pycache__|dist|.*\.egg-info")

# Every pattern is written so that it does not match its own line.
FORBIDDEN = {
    "names a package registry": re.compile(
        r"py[p]i\.org|python[h]osted|download\.py[t]orch|index[-_]ur[l]|find[-_]link[s]", re.I
    ),
    "names a folder of one machine": re.compile(
        r"(?:(?<=file://)|(?<![\w.:/<~*)}$-]))/(?:wor[k]|roo[t]|tm[p]|hom[e]|User[s])(?![\w-])"
    ),
    "holds a note to self": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b"),
}


def project_files() -> list[Path]:
    """Tracked files and those about to be; without git, all but environments and caches."""
    git = ("git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT))
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            (*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
            capture_output=True,
            check=True,
        )
        paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(NOT_OURS.fullmatch(part) for part in path.relative_to(ROOT).parts)
        ]
    return sorted(path for path in paths if path.is_file())


def complaints(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for complaint, pattern in FORBIDDEN.items():
            if found := pattern.search(line):
                yield f"{name}:{number} {complaint}: {found.group()!r}"


def test_no_text_names_a_machine_a_registry_or_a_note_to_self() -> None:
    files = project_files()
    assert Path(__file__).resolve() in files
    found: list[str] = []
    for path in files:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue  # a test may keep a file that is not text
        found += complaints(path.relative_to(ROOT).as_posix(), text)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("pip install --extra-index" + "-url=x", "names a package registry"),
        ("https://files.python" + "hosted.org/a", "names a package registry"),
        ("open('/" + "work/main/a.py')", "names a folder of one machine"),
        ("see /" + "home/ann/specs", "names a folder of one machine"),
        ("file:///" + "home/ann", "names a folder of one machine"),
        ("cd /" + "tmp", "names a folder of one machine"),
        ("# TO" + "DO: later", "holds a note to self"),
        ("the method of todo lists, mastodon.example/home", None),
        ("a/tmp/b ../root/c https://x.example/work", None),
    ],
)
def test_each_pattern_finds_what_it_is_for(line: str, complaint: str | None) -> None:
    expected = [] if complaint is None else [complaint]
    assert [text for text in expected if text in " ".join(complaints("x", line))] == expected
    assert len(list(complaints("x", line))) == len(expected)
