"""Ask the YAML language server what an editor would show for a spec.

python tools/check_language_server.py SPEC.yaml               what it finds wrong
python tools/check_language_server.py SPEC.yaml LINE:COLUMN   and what it would complete there

The server (npm package yaml-language-server) must be on the path, or stand after --server. Exits
with 1 if the spec has mistakes, with 2 if there is no server.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

from archgraph.cli.main import main as archgraph

PROGRAM = "yaml-language-server"
SECONDS = 60
CAPABILITIES = {"workspace": {"configuration": True}}


@dataclass
class Server:
    """A language server over standard input and output, with a schema for every YAML file."""

    program: str
    schema: Path
    settings: dict[str, Any] = field(default_factory=dict)
    diagnostics: dict[str, list[Any]] = field(default_factory=dict)
    asked: int = 0

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            [self.program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # a server that hangs must not hang its user: without it every read ends
        self.timer = Timer(SECONDS, self.process.kill)
        self.timer.start()
        self.settings = {
            "validate": True,
            "completion": True,
            "schemaStore": {"enable": False},
            "schemas": {self.schema.as_uri(): "*.yaml"},
        }
        self.ask("initialize", processId=None, rootUri=None, capabilities=CAPABILITIES)
        self.tell("initialized")
        self.tell("workspace/didChangeConfiguration", settings={"yaml": self.settings})
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def tell(self, method: str, **parameters: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": parameters})

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a request, and what it answers."""
        self.asked += 1
        self._send({"id": self.asked, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") == self.asked and "method" not in message:
                return message.get("result")

    def open(self, uri: str, text: str) -> list[Any]:
        """Open a document, and the mistakes that the server finds in it."""
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.diagnostics.pop(uri, None)
        self.tell("textDocument/didOpen", textDocument=document)
        while uri not in self.diagnostics:
            self._receive()
        return self.diagnostics[uri]

    def complete(self, uri: str, line: int, column: int) -> list[str]:
        """What may stand at a place; lines and columns count from 1."""
        position = {"line": line - 1, "character": column - 1}
        result = self.ask("textDocument/completion", textDocument={"uri": uri}, position=position)
        items = result["items"] if isinstance(result, dict) else result or []
        return [item["label"] for item in items]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        if self.process.stdin is None:
            raise RuntimeError("the server takes no input")
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message; questions of the server are answered, mistakes are kept."""
        stream = self.process.stdout
        if stream is None:
            raise RuntimeError("the server gives no output")
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise RuntimeError(f"{self.program} ended, or said nothing for {SECONDS} seconds")
        message: dict[str, Any] = json.loads(stream.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            parameters = message["params"]
            self.diagnostics[parameters["uri"]] = parameters["diagnostics"]
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": self._answer(message)})
        return message

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        sections = [item.get("section") for item in message["params"]["items"]]
        return [self.settings if section == "yaml" else {} for section in sections]


def find(program: str | None = None) -> str | None:
    """The program of the server, if there is one."""
    return shutil.which(program or PROGRAM)


def write_schema(folder: Path) -> Path:
    """The schema as `archgraph schema` writes it, in a file of this folder."""
    path = folder / "archgraph.schema.json"
    if archgraph(["schema", "-o", str(path)]) != 0:
        raise RuntimeError("archgraph schema failed")
    return path


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Ask the YAML language server about a spec.")
    parser.add_argument("spec", type=Path)
    parser.add_argument("place", nargs="?", help="LINE:COLUMN to complete at")
    parser.add_argument("--server", help=f"the program; {PROGRAM} on the path if not given")
    given = parser.parse_args(arguments)
    program = find(given.server)
    if program is None:
        print(f"there is no {PROGRAM}; install it with: npm install yaml-language-server")
        return 2
    with tempfile.TemporaryDirectory() as folder, Server(program, write_schema(Path(folder))) as it:
        uri = given.spec.resolve().as_uri()
        found = it.open(uri, given.spec.read_text("utf-8"))
        for mistake in found:
            start = mistake["range"]["start"]
            place = f"{given.spec}:{start['line'] + 1}:{start['character'] + 1}"
            print(f"{place}: {mistake['message']}")
        if given.place:
            line, _, column = given.place.partition(":")
            print("\n".join(it.complete(uri, int(line), int(column or 1))))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
