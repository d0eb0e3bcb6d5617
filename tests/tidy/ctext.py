# SPDX-License-Identifier: LGPL-2.1-or-later
"""As much of C as the rules need: comments, literals, functions and switches."""

import re
from functools import cache
from typing import NamedTuple

from project import line_at

_COMMENT = r"/\*.*?\*/|//[^\n]*"
_LITERAL = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_TOKEN = re.compile(f"(?P<comment>{_COMMENT})|(?P<literal>{_LITERAL})", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


class Function(NamedTuple):
    name: str
    first: int
    last: int


class Switch(NamedTuple):
    labels: list  # of its cases, without those of switches within
    default_line: int  # 0: it has no default


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


@cache
def without_comments(text):
    """Offsets and lines stay as they are, here and below."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m["comment"] else m[0], text)


@cache
def code(text):
    """Without comments and without what literals contain; their quotes stay."""
    return _TOKEN.sub(
        lambda m: _blank(m[0]) if m["comment"] else m[0][0] + _blank(m[0][1:-1]) + m[0][0], text
    )


def comments(text):
    return [match["comment"] for match in _TOKEN.finditer(text) if match["comment"]]


@cache
def functions(text):
    """Definitions, from the line of the return type to the closing brace."""
    bare = _DIRECTIVE.sub(lambda m: _blank(m[0]), code(text))
    result = []
    depth = head_at = 0
    found = None
    for match in re.finditer(r"[{};]", bare):
        if match[0] == "{":
            if depth == 0:
                found = _definition(bare, head_at, match.start())
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0 and found:
                result.append(Function(*found, line_at(bare, match.start())))
                found = None
        if depth == 0:
            head_at = match.end()
    return result


def _definition(bare, start, end):
    """(name, first line) of the function whose body begins at `end`; None if it is no function."""
    if not bare[start:end].rstrip().endswith(")"):
        return None
    paragraph = start
    for gap in re.finditer(r"\n[ \t]*\n", bare[start:end].rstrip()):
        paragraph = start + gap.end()
    head = bare[paragraph:end]
    name = re.search(r"^(\w+)\s*\(", head, re.MULTILINE) or re.search(r"(\w+)\s*\(", head)
    return name[1], line_at(bare, paragraph + len(head) - len(head.lstrip()))


@cache
def switches(text):
    result = []
    bare = code(text)
    for match in re.finditer(r"\bswitch\s*\(", bare):
        start = bare.find("{", match.end())
        body = _own_body(bare, start)
        labels = re.findall(r"\bcase\s+([^:]+?)\s*:", body)
        default = re.search(r"\bdefault\s*:", body)
        result.append(Switch(labels, line_at(bare, start + default.start()) if default else 0))
    return result


def _own_body(bare, start):
    """The block at `start`; switches within it are blanked out."""
    end = _block_end(bare, start)
    body = bare[start:end]
    while nested := re.search(r"\bswitch\s*\(", body):
        first, last = nested.start(), _block_end(body, body.find("{", nested.end()))
        body = body[:first] + _blank(body[first:last]) + body[last:]
    return body


def _block_end(bare, start):
    depth = 0
    for match in re.finditer(r"[{}]", bare[start:]):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return start + match.end()
    return len(bare)
