# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be read off the text of one file."""

import ast
import re
from posixpath import dirname, join, normpath

import ctext
from layers import CORE
from project import line_at, rule

CODE_FOLDERS = ("src/", "include/", "tests/", "contrib/")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
COLUMNS_MAX = 100
PYTHON_COLUMNS_MAX = 120

FORBIDDEN = {
    r"\bgoto\b": "use g_autoptr and return early",
    r"\b(system|popen|g_spawn_command_line_\w+)\s*\(": "start programs by an argument list",
    r"\b(strcpy|strcat|gets|g_stpcpy)\s*\(": "use g_strlcpy or a GString",
    r"\b(sprintf|vsprintf|g_sprintf|g_vsprintf)\s*\(": "use g_snprintf or g_strdup_printf",
    r"\b(atoi|atol|atoll|strtok)\s*\(": "use g_ascii_string_to_signed, g_strsplit",
    r"\b(sleep|usleep|nanosleep|g_usleep)\s*\(": "wait for a condition, with a deadline",
    r"\b(dlopen|dlsym|g_module_\w+)\s*\(": "it hides calls from the checks of objects",
    r"\bg_error\s*\(": "return a GError, or g_assert",
}

# Written so that this file does not name what it looks for.
LEFTOVER = re.compile(r"\b(FIXM[E]|TOD[O]|XX[X])\b|^[ \t]*#[ \t]*if[ \t]+0\b", re.MULTILINE)
PRIVATE_PATH = re.compile(r"(?<![\w.}-])/wor[k](?=/|\b)|\.\./share[d]\b")
ASSERTS_OFF = re.compile(r"\b(G_DISABLE_ASSER[T]|G_DISABLE_CHECK[S])\b")
HASH_ORDER = re.compile(
    r"\b(GHashTableIter|g_hash_table_(iter_\w+|foreach\w*|find|get_keys\w*|get_values\w*))\b"
)

# Case labels that are not ours: there a default is right, their owners may add to them.
FOREIGN_LABEL = re.compile(
    r"'.*|-?\d.*|(VIR|SQLITE|JSON_NODE|XML|FYE[TC]|CURLE|G)_\w+|E[A-Z0-9]+|SIG[A-Z]+"
)


def _matches(project, paths, pattern, count, view=lambda text: text):
    """(path, line, matched text) of a pattern in a view of each file."""
    for path in paths:
        count()
        text = view(project.text(path))
        for match in pattern.finditer(text):
            yield path, line_at(text, match.start()), match[0].strip()


def _programs(project):
    """C, Python and shell sources."""
    return {
        *project.files(".c", ".h"),
        *project.scripts("python", ".py"),
        *project.scripts("(ba|da)?sh", ".sh"),
    }


def _sized(project):
    """Sources that have budgets: C and Python."""
    c = project.files(".c", ".h", below=CODE_FOLDERS)
    return sorted({*c, *project.scripts("python", ".py", below=CODE_FOLDERS)})


@rule("spdx")
def spdx(project, count):
    """The licence stands in the first line of a source, in the second one after #!."""
    for path in sorted(_programs(project)):
        count()
        lines = project.text(path).splitlines() or [""]
        line = 2 if lines[0].startswith("#!") else 1
        if "SPDX-License-Identifier: LGPL-2.1-or-later" not in (lines + [""])[line - 1]:
            yield path, line, "SPDX-License-Identifier: LGPL-2.1-or-later is missing here"


@rule("forbidden")
def forbidden(project, count):
    """No goto in src, and no call that has a safer form."""
    paths = project.files(".c", ".h", below=("src/",))
    for pattern, remedy in FORBIDDEN.items():
        for path, line, found in _matches(project, paths, re.compile(pattern), count, ctext.code):
            yield path, line, f"{found.rstrip(' (')}: {remedy}"


@rule("default-label")
def default_label(project, count):
    """A switch over an enumeration of ours names all members: the compiler then finds new ones."""
    for path in project.files(".c", ".h", below=("src/",)):
        for switch in ctext.switches(project.text(path)):
            count()
            foreign = switch.labels and all(map(FOREIGN_LABEL.fullmatch, switch.labels))
            if switch.default_line and not foreign:
                yield path, switch.default_line, "name the other members instead of a default"


@rule("hash-order")
def hash_order(project, count):
    """The core does not walk hash tables: their order is not the same in every run."""
    paths = project.files(".c", ".h", below=[f"src/{layer}/" for layer in (*CORE, "engine")])
    for path, line, found in _matches(project, paths, HASH_ORDER, count, ctext.code):
        yield path, line, f"{found}: keep a sorted array beside the table"


@rule("leftovers")
def leftovers(project, count):
    """Nothing is left for later: no markers, no code that is switched off."""
    for path, line, found in _matches(project, sorted(_programs(project)), LEFTOVER, count):
        yield path, line, f"{found}: do it now, or open an issue"


@rule("asserts-on")
def asserts_on(project, count):
    """Assertions are part of the program, in every build."""
    paths = {*_programs(project), *project.files("CMakeLists.txt", ".cmake", "CMakePresets.json")}
    for path, line, found in _matches(project, sorted(paths), ASSERTS_OFF, count):
        yield path, line, f"{found}: assertions stay on"


@rule("private-paths")
def private_paths(project, count):
    """No file names a path that exists on one machine only."""
    for path, line, found in _matches(project, project.files(), PRIVATE_PATH, count):
        yield path, line, f"{found} exists on one machine only"


@rule("headers")
def headers(project, count):
    """A header is included once and says in a comment what it is for."""
    for path in project.files(".h", below=CODE_FOLDERS):
        count()
        text = project.text(path)
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield path, 1, "#pragma once is missing"
        if not any("SPDX" not in comment for comment in ctext.comments(text)):
            yield path, 1, "a comment that says what it is for is missing"


@rule("line-length")
def line_length(project, count):
    """At most 100 columns; Python 120."""
    for path in _sized(project):
        columns_max = COLUMNS_MAX if str(path).endswith((".c", ".h")) else PYTHON_COLUMNS_MAX
        for number, line in enumerate(project.text(path).splitlines(), 1):
            count()
            if len(line) > columns_max:
                yield path, number, f"{len(line)} columns, more than {columns_max}"


@rule("file-length")
def file_length(project, count):
    """At most 600 lines."""
    for path in _sized(project):
        count()
        lines = len(project.text(path).splitlines())
        if lines > FILE_LINES_MAX:
            yield path, FILE_LINES_MAX + 1, f"{lines} lines, more than {FILE_LINES_MAX}"


def _python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ctext.Function(node.name, node.lineno, node.end_lineno)


@rule("function-length")
def function_length(project, count):
    """At most 70 lines, return type and braces included."""
    for path in _sized(project):
        find = ctext.functions if path.endswith((".c", ".h")) else _python_functions
        for function in find(project.text(path)):
            count()
            lines = function.last - function.first + 1
            if lines > FUNCTION_LINES_MAX:
                message = f"{function.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"
                yield path, function.first, message


def _prose(text):
    """Markdown without its code, lines kept."""
    fenced = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[^\n]*$", re.MULTILINE | re.DOTALL)
    text = fenced.sub(lambda m: re.sub(r"[^\n]", "", m[0]), text)
    return re.sub(r"`[^`\n]*`", lambda m: "`" * len(m[0]), text)


def _anchors(text):
    """Anchors of the headings, as forges make them."""
    fenced = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+[ \t]+(.*?)[ \t]*$", fenced, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _link_problem(project, path, link):
    """What is wrong with a relative link; None if it is good."""
    target, _, anchor = link.partition("#")
    file = normpath(join(dirname(path), target)) if target else path
    if not (project.source / file).exists():
        return f"{link} leads nowhere"
    if anchor and file.endswith(".md") and anchor not in _anchors(project.text(file) or ""):
        return f"{link}: no such heading"
    return None


@rule("markdown")
def markdown(project, count):
    """A document has one title, in its first line, and its relative links lead somewhere."""
    for path in project.files(".md"):
        count()
        text = _prose(project.text(path))
        titles = [line_at(text, m.start()) for m in re.finditer(r"^# ", text, re.MULTILINE)]
        if titles != [1]:
            yield path, (titles + [1, 1])[1], f"{len(titles)} titles; it needs one, in line 1"
        for match in re.finditer(r"\]\(([^)\s]+)[^)]*\)", text):
            problem = None
            if not re.match(r"[a-z]+:", match[1]):
                problem = _link_problem(project, path, match[1])
            if problem:
                yield path, line_at(text, match.start()), problem
