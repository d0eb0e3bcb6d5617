# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tree that the rules look at, and the list of the rules."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

SKIPPED = {".git", "__pycache__", "build"}  # folders; .git of a worktree is a file

RULES = {}


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def rule(name):
    """Registers a generator of (path, line, message); `count(n)` tells that it checked n things."""

    def register(function):
        assert name not in RULES and function.__doc__
        RULES[name] = function
        return function

    return register


class Project:
    """Paths are relative to the source folder, with slashes."""

    def __init__(self, source, build, texts=None):
        """`texts`: contents of files, as far as they are known already."""
        self.source = Path(source).resolve()
        self.build = Path(build).resolve()
        self.checked = Counter()
        self._texts = dict(texts or {})
        self._paths = sorted(self._walk())

    def _walk(self):
        for folder, subfolders, names in os.walk(self.source):
            subfolders[:] = [
                name
                for name in subfolders
                if name not in SKIPPED
                and not os.path.exists(os.path.join(folder, name, "CMakeCache.txt"))
            ]
            for name in set(names) - SKIPPED:
                yield (Path(folder) / name).relative_to(self.source).as_posix()

    def text(self, path):
        """Contents of a file; None if it is not text."""
        if path not in self._texts:
            try:
                self._texts[path] = (self.source / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, OSError):
                self._texts[path] = None
        return self._texts[path]

    def files(self, *suffixes, below=("",)):
        """Text files, of all kinds if no suffix is given, in the folders `below`."""
        return [
            path
            for path in self._paths
            if path.startswith(tuple(below))
            and (not suffixes or path.endswith(suffixes))
            and self.text(path) is not None
        ]

    def scripts(self, interpreter, suffix, below=("",)):
        """Programs of a language, by the end of their name or by their first line."""
        shebang = re.compile(rf"#!.*\b{interpreter}")
        return [
            path
            for path in self.files(below=below)
            if path.endswith(suffix) or shebang.match(self.text(path))
        ]

    def line_of(self, path, word):
        """The first line that has a word; 1 if none does, as when a macro hides it."""
        match = re.search(rf"\b{re.escape(word)}\b", self.text(path) or "")
        return line_at(self.text(path), match.start()) if match else 1

    def run(self, name):
        """All findings of a rule."""

        def count(number=1):
            self.checked[name] += number

        found = RULES[name](self, count)
        return [Finding(path, line, name, message) for path, line, message in found]


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1
