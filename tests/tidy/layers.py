# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may include whom. The edges between our layers stand in the CMakeLists, nowhere else."""

import re
from fnmatch import fnmatchcase
from posixpath import basename, dirname

import ctext
from project import line_at, rule

CORE = ("base", "model", "alert", "plan", "rollout", "health")

# The public headers are one folder; each belongs to the lowest layer that may speak of it.
PUBLIC_HEADERS = {
    "error.h": "base",
    "enum.h": "base",
    "failure.h": "base",
    "fleet.h": "model",
    "inventory.h": "model",
    "policy.h": "model",
    "monitoring.h": "model",
    "monitor.h": "model",
    "alert.h": "alert",
    "plan.h": "plan",
    "tradeoff.h": "plan",
    "recovery.h": "rollout",
    "ports.h": "rollout",  # its values are what the rollout's inputs are made of
    "rollout.h": "rollout",
    "revision.h": "rollout",
    "health.h": "health",
    "way-back.h": "rollout",
    "engine.h": "engine",
}

# Foreign headers and the only files that may include them. A library that is not here has no owner.
FOREIGN = {
    "libvirt/": ["src/adapters/libvirt/*"],
    "libvirt-glib/": ["src/adapters/libvirt/*"],
    "libxml/": ["src/adapters/libvirt/*"],
    "sqlite3.h": ["src/adapters/sqlite/*"],
    "libfyaml.h": ["src/adapters/yaml/*"],
    "curl/": ["src/adapters/curl/*"],
    "microhttpd.h": ["src/api/*"],
    "sanitizer/": ["src/adapters/libvirt/*"],  # tells ThreadSanitizer what it cannot see
    # Instructions of one kind of processor.
    "cpuid.h": ["src/base/sha256-x86.c"],
    "immintrin.h": ["src/base/sha256-x86.c"],
    # Everybody else gets JsonNode from base/json.h.
    "json-glib/": [
        "src/base/*",
        "src/*-json.c",
        "src/model/*.h",
        "src/plan/*.h",
        "src/rollout/*.h",
    ],
}

CORE_SYSTEM_HEADERS = set(
    "glib.h inttypes.h limits.h stdarg.h stdbool.h stddef.h stdint.h stdlib.h string.h".split()
)
SYSTEM_HEADERS = CORE_SYSTEM_HEADERS | set(
    "assert.h ctype.h errno.h fcntl.h glib-unix.h glib/gstdio.h locale.h math.h poll.h"
    " netinet/in.h pthread.h signal.h spawn.h stdio.h termios.h time.h unistd.h".split()
)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_LAYER = re.compile(r"\bvr_add_layer\(\s*(\w+)([^)]*)\)")


def layer_of(path):
    """src/adapters/yaml/document.c -> adapters_yaml"""
    folder = dirname(path)
    if folder == "include/virt-roll":
        return PUBLIC_HEADERS.get(basename(path))
    return folder.removeprefix("src/").replace("/", "_")


def folder_of(layer):
    """adapters_yaml -> src/adapters/yaml"""
    return "src/" + layer.replace("adapters_", "adapters/")


def layers(project):
    """Name of each layer -> names of those right below, as CMake has them."""
    found = {}
    for path in project.files("CMakeLists.txt", below=("src/",)):
        text = re.sub(r"#[^\n]*", "", project.text(path))
        for match in _LAYER.finditer(text):
            depends = re.search(r"\bDEPENDS\b([a-z_\s]*)", match[2])
            found[match[1]] = depends[1].split() if depends else []
    return found


def reachable(edges, layer):
    """A layer and all below it."""
    seen, waiting = set(), [layer]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges.get(name, [])
    return seen


def includes(project):
    """(path, line, "<" or a quote, header) of every #include in src and include."""
    for path in project.files(".c", ".h", below=("src/", "include/")):
        text = ctext.without_comments(project.text(path))
        for match in _INCLUDE.finditer(text):
            yield path, line_at(text, match.start()), match[1], match[2]


def _is_foreign_to(header, owner):
    return header == owner or (owner.endswith("/") and header.startswith(owner))


@rule("include-edges")
def include_edges(project, count):
    """A file includes its own layer and, along the DEPENDS of vr_add_layer, those below."""
    edges = layers(project)
    for path, line, bracket, header in includes(project):
        public = header.startswith("virt-roll/")
        if bracket == "<" and not public:
            continue
        count()
        layer = layer_of(path)
        target = layer_of(("include/" if public else "src/") + header)
        if layer not in edges:
            yield path, line, f"no vr_add_layer or PUBLIC_HEADERS entry for {path}"
        elif target not in edges:
            yield path, line, f"{header} is no header of a layer: name it <folder>/<file>"
        elif target not in reachable(edges, layer):
            yield path, line, f"layer {layer} must not know {target} ({header})"


@rule("foreign-includes")
def foreign_includes(project, count):
    """A foreign library is included in the folder that owns it, and the core knows GLib alone."""
    for path, line, bracket, header in includes(project):
        if bracket != "<" or header.startswith("virt-roll/"):
            continue
        count()
        owners = [FOREIGN[owner] for owner in FOREIGN if _is_foreign_to(header, owner)]
        if owners:
            if not any(fnmatchcase(path, pattern) for pattern in owners[0]):
                yield path, line, f"<{header}> belongs to {', '.join(owners[0])}"
        elif layer_of(path) in CORE:
            if header not in CORE_SYSTEM_HEADERS:
                yield path, line, f"<{header}> is not for the core"
        elif header not in SYSTEM_HEADERS and not header.startswith("sys/"):
            yield path, line, f"<{header}> has no owner in tests/tidy/layers.py"


@rule("dead-files")
def dead_files(project, count):
    """Every source is built by the CMakeLists of its folder, every header of src is included."""
    included = {header for _, _, _, header in includes(project)}
    for path in project.files(".c", ".h", below=("src/",)):
        count()
        if path.endswith(".h"):
            if path.removeprefix("src/") not in included:
                yield path, 1, "nothing includes this header"
            continue
        cmake = project.text(dirname(path) + "/CMakeLists.txt") or ""
        if not re.search(rf"(?<![\w-]){re.escape(basename(path))}\b", cmake):
            yield path, 1, "not built: its name is not in the CMakeLists.txt beside it"
