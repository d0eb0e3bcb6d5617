# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the compiled objects refer to: there no macro and no spelling hides a call."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import ctext
from layers import CORE, folder_of, layers, reachable
from project import line_at, rule

# Of compilers, sanitizers, coverage and _FORTIFY_SOURCE; says nothing about the program.
INSTRUMENTS = re.compile(
    r"_GLOBAL_OFFSET_TABLE_$"
    r"|__(asan|ubsan|tsan|lsan|msan|hwasan|sanitizer|sancov|gcov|llvm)_"
    r"|__(start|stop)___sancov"
    r"|__stack_chk_fail"
    r"|__u?(div|mod|mul|divmod)v?[dt]i[0-9]$"
    r"|__(popcount|clz|ctz|ffs)[dt]i2$"
)

# All that the core may call: data structures, text, errors and JSON in memory, and assertions.
# Hash tables can be asked and filled, not walked: their order is none.
CORE_CALLS = (
    r"g_array_\w+",
    r"g_ptr_array_\w+",
    r"g_hash_table_(new|new_full|add|insert|replace|lookup|lookup_extended|contains|remove|steal"
    r"|size|ref|unref|destroy)",
    r"g_(list|slist|sequence)_\w+",
    r"g_string_\w+",
    r"g_(str|int|int64|direct)_(hash|equal)",
    r"g_str_has_(prefix|suffix)",
    r"g_str(dup|ndup|dupv|freev|concat|joinv?|split|splitv|cmp0|rstr|chomp|chug|v_\w+|escape)\w*",
    r"g_v?snprintf",
    r"g_ascii_\w+",
    r"g_utf8_(skip|validate|validate_len|strlen|get_char|get_char_validated|next_char|make_valid)",
    r"g_unichar_(to_utf8|iscntrl)",
    r"g_(malloc|malloc0|malloc_n|malloc0_n|realloc|realloc_n|free|memdup2|clear_pointer)",
    r"g_(ref_string|atomic_rc_box|rc_box)_\w+",
    r"g_(set|prefix|propagate|propagate_prefixed|clear)_error(_literal)?",
    r"g_error_(new|new_literal|new_valist|copy|free|matches)",
    r"g_quark_from_static_string",
    r"g_checksum_\w+|g_compute_checksum_for_\w+",
    r"g_object_unref",
    r"g_assertion_message\w*|g_return_if_fail_warning|abort",
    r"json_(array|object|node|builder)_\w+",
    r"mem(chr|cmp|cpy|move|set)",
    r"str(chr|rchr|cmp|ncmp|len|nlen|spn|cspn|str|pbrk)",
    r"bsearch|labs|llabs",
)

# The engine has ports for everything else; what it needs besides are queues.
ENGINE_CALLS = CORE_CALLS + (r"g_queue_\w+",)

PURE = {**dict.fromkeys(CORE, CORE_CALLS), "engine": ENGINE_CALLS}

# Of what is ours the auditor may refer to values, words and the format of journal records: what is
# decided, planned, observed or replayed it has to find out by itself, or it would repeat a mistake.
AUDITOR_CALLS = re.compile(
    r"vr_event_(parse|free)|vr_\w+_to_string|vr_(policy|inventory)_\w+"
    r"|vr_vm_is_active|vr_plan_(parse|free|new|copy_step)|vr_document_read_added"
    r"|vr_json_(parse|canonical)"
)
AUDITED = re.compile(r"vr_\w+|sim_controller_\w+")

# Nobody calls these: we migrate guests, we never end, start, stop or save them.
NEVER = re.compile(
    r"virDomain(Shutdown|Reset|Reboot|Create|Save|Restore|ManagedSave|Suspend|PMSuspend|CoreDump"
    r"|Qemu|InjectNMI|SendKey|SendProcessSignal|Rename)\w*"
    r"|virNodeSuspend\w*"
)

# Calls that change a guest, and the only file whose object may refer to them.
OWNED = {
    r"virDomain(Resume|Destroy\w*|Undefine\w*|DefineXML\w*|AbortJob\w*|SetAutostart)": (
        "src/adapters/libvirt/act.c"
    ),
    r"virDomainMigrateToURI3": "src/adapters/libvirt/migrate.c",
}

# Reads, and the handling of connections, handles and errors. What is in no table is refused.
HARMLESS = re.compile(
    r"vir(Domain|Node|Connect)(Get|Is|List|Lookup)\w*"
    r"|vir(Domain|Connect)(Ref|Free)|virDomainStatsRecordListFree"
    r"|virConnect(Open\w*|Close|SetKeepAlive)"
    r"|virConnect(DomainEvent|RegisterCloseCallback|UnregisterCloseCallback)\w*"
    r"|virTypedParam\w+|virEvent\w+|virInitialize"
    r"|vir(GetLast|ResetLast|SaveLast|CopyLast|Set|Free)Error\w*"
)

# gvir_… of libvirt-glib is its event loop; the libvirt-gobject calls would bypass the tables.
WRAPPERS = re.compile(r"gvir_(?!init|event_|error_)\w+")

REFUSED_FLAGS = re.compile(r"\bVIR_MIGRATE_(UNSAFE|POSTCOPY)\w*")


class Object(NamedTuple):
    source: str  # path of the C file
    undefined: set
    defined: set


def _symbols(path):
    """Member name ("" of a plain object) -> (undefined, defined) symbols."""
    environment = {**os.environ, "LC_ALL": "C"}
    output = subprocess.run(
        ["nm", "-A", "-P", "-g", str(path)],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout
    members = {}
    for line in output.splitlines():
        match = re.match(r".*?(?:\[([^\]]+)\])?: (\S+) ([A-Za-z])\b", line)
        undefined, defined = members.setdefault(match[1] or "", (set(), set()))
        (undefined if match[3] in "Uvw" else defined).add(match[2])
    return members


def archive(project, layer):
    """The objects of a layer; empty if it is not built."""
    folder = folder_of(layer)
    path = project.build / folder / f"libvr_{layer}.a"
    if not path.exists():
        return []
    return [
        Object(f"{folder}/{member.removesuffix('.o')}", *symbols)
        for member, symbols in _symbols(path).items()
    ]


def program_objects(project):
    """Objects that belong to a program and to no layer, such as that of main.c."""
    for path in sorted(Path(project.build / "src").glob("**/CMakeFiles/*.dir/*.o")):
        folder = path.parents[2].relative_to(project.build).as_posix()
        source = f"{folder}/{path.name.removesuffix('.o')}"
        if path.parent.name.startswith("vr_") or project.text(source) is None:
            continue
        for symbols in _symbols(path).values():
            yield Object(source, *symbols)


def call_of(symbol):
    """__memcpy_chk -> memcpy"""
    return re.sub(r"^__(\w+)_chk$", r"\1", symbol)


@rule("core-purity")
def core_purity(project, count):
    """The objects of the core and of the engine refer to their allow-list, and downwards, only."""
    edges = layers(project)
    defined = {
        layer: {symbol for item in archive(project, layer) for symbol in item.defined}
        for layer in PURE
    }
    for layer, calls in PURE.items():
        allowed = re.compile("|".join(calls))
        below = set().union(*(defined.get(name, ()) for name in reachable(edges, layer)))
        if not defined[layer]:
            yield folder_of(layer) + "/CMakeLists.txt", 1, f"libvr_{layer}.a is not in the build"
        for item in archive(project, layer):
            for symbol in sorted(item.undefined - below):
                count()
                call = call_of(symbol)
                if not INSTRUMENTS.match(symbol) and not allowed.fullmatch(call):
                    message = f"{layer} must not refer to {call}: it is not on its allow-list"
                    yield item.source, project.line_of(item.source, call), message


@rule("auditor-apart")
def auditor_apart(project, count):
    """The objects of the auditor refer to nothing that decides, plans, observes or replays."""
    objects = archive(project, "audit")
    if not objects:
        yield "src/audit/CMakeLists.txt", 1, "libvr_audit.a is not in the build"
    for item in objects:
        for symbol in sorted(item.undefined):
            count()
            if AUDITED.fullmatch(symbol) and not AUDITOR_CALLS.fullmatch(symbol):
                message = f"the auditor must not refer to {symbol}: it judges on its own"
                yield item.source, project.line_of(item.source, symbol), message


def _refusal(symbol, source):
    """Why an object must not refer to a symbol; None if it may."""
    if NEVER.fullmatch(symbol):
        return "nothing of ours may end, start, stop or save a guest"
    for pattern, owner in OWNED.items():
        if re.fullmatch(pattern, symbol):
            return None if source == owner else f"only {owner} may"
    if symbol.startswith("vir") and not HARMLESS.fullmatch(symbol):
        return "in no table of tests/tidy/objects.py: find out what it does to guests first"
    if WRAPPERS.match(symbol):
        return "libvirt-glib is for its event loop only"
    return None


@rule("libvirt-calls")
def libvirt_calls(project, count):
    """Calls that change guests come from their one file, those that end them from none."""
    for layer in layers(project):
        objects = archive(project, layer)
        if not objects:
            yield folder_of(layer) + "/CMakeLists.txt", 1, f"libvr_{layer}.a is not in the build"
        yield from _check_calls(project, objects, count)
    yield from _check_calls(project, program_objects(project), count)


def _check_calls(project, objects, count):
    for item in objects:
        count()
        for symbol in sorted(item.undefined):
            why = _refusal(symbol, item.source)
            if why:
                line = project.line_of(item.source, symbol)
                yield item.source, line, f"must not refer to {symbol}: {why}"


@rule("migrate-flags")
def migrate_flags(project, count):
    """No migration skips libvirt's safety checks, and none can split a guest over two hosts."""
    for path in project.files(".c", ".h", below=("src/",)):
        count()
        bare = ctext.code(project.text(path))
        for match in REFUSED_FLAGS.finditer(bare):
            yield path, line_at(bare, match.start()), f"{match[0]} is never set"
