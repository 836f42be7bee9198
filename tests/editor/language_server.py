"""The real yaml-language-server, spoken to over its protocol as an editor does."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from tests.editor.tools import installed

_WAIT = 60


class Editor:
    """An editor with one folder open."""

    def __init__(self, server: subprocess.Popen[bytes], folder: Path, settings: Mapping[str, Any]) -> None:
        self._server = server
        self._folder = folder
        self._settings = settings
        self._heard: Queue[Any] = Queue()
        self._marks: dict[str, list[dict[str, Any]]] = {}
        self._count = 0
        self._configured = False
        Thread(target=self._listen, daemon=True).start()
        place = {"uri": folder.as_uri(), "name": "project"}
        item = {"snippetSupport": True, "documentationFormat": ["markdown"]}
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "workspaceFolders": [place],
                "capabilities": {
                    "workspace": {"configuration": True},
                    "textDocument": {"completion": {"completionItem": item}, "publishDiagnostics": {}},
                },
            },
        )
        self._say("initialized", {})
        while not self._configured:
            self._take(self._heard.get(timeout=_WAIT))
        # The settings take hold before a file that is opened after them is looked at.
        self.marks("first.yaml", "first: true\n")

    def open(self, name: str, text: str) -> str:
        """Open a file with that text; what the editor calls it."""
        uri = (self._folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._say("textDocument/didOpen", {"textDocument": document})
        return uri

    def complete(self, name: str, text: str) -> dict[str, dict[str, Any]]:
        """What is offered where the text has a "|", by its label."""
        before, _, after = text.partition("|")
        uri = self.open(name, before + after)
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        found = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"]: item for item in items}

    def hover(self, name: str, text: str) -> str:
        """What is shown over the place where the text has a "|"."""
        before, _, after = text.partition("|")
        uri = self.open(name, before + after)
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        found = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
        contents = (found or {}).get("contents", "")
        return str(contents["value"] if isinstance(contents, dict) else contents)

    def marks(self, name: str, text: str) -> list[tuple[str, str]]:
        """What is marked in a file: the marked text, and what is said of it."""
        uri = self.open(name, text)
        while uri not in self._marks:
            self._take(self._heard.get(timeout=_WAIT))
        lines = text.splitlines()
        found = []
        for mark in self._marks.pop(uri):
            start, end = mark["range"]["start"], mark["range"]["end"]
            stop = end["character"] if start["line"] == end["line"] else None
            found.append((lines[start["line"]][start["character"] : stop], mark["message"]))
        return found

    def _listen(self) -> None:
        stream = self._server.stdout
        while stream is not None and (header := stream.readline()):
            length = 0
            while header.strip():
                if found := re.match(rb"content-length: (\d+)", header, re.IGNORECASE):
                    length = int(found[1])
                header = stream.readline()
            self._heard.put(json.loads(stream.read(length)))

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        if self._server.stdin is not None:
            self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self._server.stdin.flush()

    def _say(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _ask(self, method: str, parameters: Any) -> Any:
        self._count += 1
        number = self._count
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._heard.get(timeout=_WAIT)
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self._take(message)

    def _take(self, message: Any) -> None:
        """Answer what the server asks of an editor, and keep what it marks."""
        method = message.get("method")
        if method == "textDocument/publishDiagnostics":
            self._marks[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "id" in message and method == "workspace/configuration":
            items = message["params"]["items"]
            self._configured = True
            self._send({"id": message["id"], "result": [self._section(item["section"]) for item in items]})
        elif "id" in message and method:
            self._send({"id": message["id"], "result": None})

    def _section(self, name: str) -> Any:
        """A part of the settings, as an editor unfolds their dotted names."""
        if name in self._settings:
            return self._settings[name]
        found: dict[str, Any] = {}
        for key, value in self._settings.items():
            if key.startswith(f"{name}."):
                part = found
                *path, last = key.removeprefix(f"{name}.").split(".")
                for step in path:
                    part = part.setdefault(step, {})
                part[last] = value
        return found


@contextmanager
def editor(folder: Path, settings: Mapping[str, Any]) -> Iterator[Editor]:
    """An editor over a folder, with these settings of a workspace."""
    program = installed() / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    with subprocess.Popen(
        ["node", program, "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            yield Editor(server, folder, settings)
        finally:
            server.kill()
