#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each rule turns red on a breach that is planted in a copy of the tree, and only there.

Beside the breaches stand harmless look-alikes, which a rule must let pass.
"""

import argparse
import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True

import tidy  # noqa: E402
from project import RULES, Project  # noqa: E402

HEADER = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
PLANTED = "planted.c"
# Taken apart, so that this file does not hold what it plants.
GO_TO = "go" + "to"
MARKER = "TO" + "DO"
ROOM, NEIGHBOUR = "/wo" + "rk", "../sha" + "red"
ASSERTS_OFF = "G_DISABLE_" + "ASSERT"


class Plant(NamedTuple):
    """A text that is appended to a file, and for a rule of objects also compiled."""

    rule: str
    path: str
    text: str
    red: bool = True


class CallPlant(NamedTuple):
    """A function that calls another one, as an object of a layer; or of a program: layer ""."""

    rule: str
    layer: str
    path: str
    call: str
    red: bool = True


def function(body, name="planted"):
    return f"\nstatic void\n{name}(void)\n{{\n{body}}}\n"


def switch(label):
    return function(f"    switch (x) {{\n    case {label}:\n    default:\n    }}\n")


def lines(number):
    return "    planted_too();\n" * number


BASE, CLI = "src/base/" + PLANTED, "src/cli/" + PLANTED
AUDIT = "src/audit/" + PLANTED
LIBVIRT = "src/adapters/libvirt/"
DOCUMENT = "docs/planted.md"

SOURCES = [
    Plant("include-edges", BASE, '#include "rollout/state.h"\n'),
    Plant("include-edges", BASE, "#include <virt-roll/engine.h>\n"),
    Plant("include-edges", BASE, '#include "state.h"\n'),
    Plant("include-edges", "include/virt-roll/plan.h", "#include <virt-roll/rollout.h>\n"),
    Plant("include-edges", "src/adapters/yaml/planted.c", '#include "engine/flight.h"\n'),
    Plant("include-edges", CLI, '#include "base/json.h"\n', red=False),
    Plant("include-edges", BASE, '/* #include "rollout/state.h" */\n', red=False),
    Plant("foreign-includes", "src/cli/planted.c", "#include <libvirt/libvirt.h>\n"),
    Plant("foreign-includes", "src/adapters/sqlite/planted.c", "#include <libfyaml.h>\n"),
    Plant("foreign-includes", "src/adapters/probe/planted.c", "#include <curl/curl.h>\n"),
    Plant("foreign-includes", CLI, "#include <microhttpd.h>\n"),
    Plant("foreign-includes", "src/plan/planted.c", "#include <json-glib/json-glib.h>\n"),
    Plant("foreign-includes", "src/plan/x-json.c", "#include <json-glib/json-glib.h>\n", False),
    Plant("foreign-includes", "src/plan/planted.c", "#include <time.h>\n"),
    Plant("foreign-includes", CLI, "#include <yaml.h>\n"),
    Plant("foreign-includes", CLI, "#include <time.h>\n", red=False),
    Plant("dead-files", BASE, ""),
    Plant("dead-files", "src/base/planted.h", ""),
    Plant("migrate-flags", LIBVIRT + "migrate.c", function("    f(VIR_MIGRATE_UNSAFE);\n")),
    Plant("migrate-flags", LIBVIRT + "migrate.c", function("    f(VIR_MIGRATE_POSTCOPY);\n")),
    Plant("migrate-flags", LIBVIRT + "migrate.c", "/* never VIR_MIGRATE_UNSAFE */\n", red=False),
    Plant("spdx", "tests/planted.py", '"""No licence."""\n'),
    Plant("spdx", "contrib/planted", "#!/bin/sh\necho no licence\n"),
    Plant("forbidden", BASE, function(f"    {GO_TO} out;\nout:\n    return;\n")),
    Plant("forbidden", CLI, function('    system("true");\n')),
    Plant("forbidden", CLI, function("    sprintf(text, format);\n")),
    Plant("forbidden", CLI, function("    g_usleep(1);\n")),
    Plant("forbidden", CLI, f'/* {GO_TO} */ const char *planted = "sleep(1)";\n', red=False),
    Plant("forbidden", CLI, function("    g_snprintf(text, 1, format);\n"), red=False),
    Plant("default-label", BASE, switch("VR_A")),
    Plant("default-label", BASE, switch("A")),
    Plant("default-label", BASE, switch("'a'"), red=False),
    Plant("hash-order", "src/plan/planted.c", function("    GHashTableIter iterator;\n")),
    Plant("hash-order", "src/plan/planted.c", function("    g_hash_table_foreach(a, b, c);\n")),
    Plant("hash-order", CLI, function("    g_hash_table_foreach(a, b, c);\n"), red=False),
    Plant("leftovers", BASE, f"/* {MARKER}: later */\n"),
    Plant("leftovers", BASE, "#if " + "0\n#endif\n"),
    Plant("leftovers", BASE, 'const char *planted = "XXXXXX";\n', red=False),
    Plant("asserts-on", "src/base/CMakeLists.txt", f"add_compile_definitions({ASSERTS_OFF})\n"),
    Plant("private-paths", DOCUMENT, f"see {ROOM}/notes\n"),
    Plant("private-paths", DOCUMENT, f"see {NEIGHBOUR}/notes\n"),
    Plant("private-paths", DOCUMENT, f"see ${{STATE}}{ROOM}/notes and network{ROOM}\n", red=False),
    Plant("headers", "src/base/planted.h", "/* Why. */\nint planted;\n"),
    Plant("headers", "src/base/planted.h", "#pragma once\nint planted;\n"),
    Plant("headers", "src/base/planted.h", "/* Why. */\n#pragma once\nint planted;\n", red=False),
    Plant("line-length", BASE, "/* " + "x" * 95 + " */\n"),
    Plant("line-length", BASE, "/* " + "…" * 94 + " */\n", red=False),
    Plant("file-length", BASE, "int planted;\n" * 600),
    Plant("file-length", BASE, "int planted;\n" * 599, red=False),
    Plant("function-length", BASE, function(lines(67))),
    Plant("function-length", BASE, function(lines(66)), red=False),
    Plant("function-length", "tests/planted.py", "def planted():\n" + "    pass\n" * 70),
    Plant("markdown", DOCUMENT, "# Title\n\n[a](nowhere.md)\n"),
    Plant("markdown", DOCUMENT, "# Title\n\n# Title\n"),
    Plant("markdown", DOCUMENT, "# Title\n\n[a](#nothing)\n"),
    Plant("markdown", DOCUMENT, "# A title\n\n[a](#a-title), [b](planted.md)\n", red=False),
]

OBJECTS = [
    CallPlant("core-purity", "base", BASE, "g_get_real_time"),
    CallPlant("core-purity", "model", "src/model/planted.c", "getenv"),
    CallPlant("core-purity", "alert", "src/alert/planted.c", "g_get_real_time"),
    CallPlant("core-purity", "plan", "src/plan/planted.c", "g_hash_table_foreach"),
    CallPlant("core-purity", "rollout", "src/rollout/planted.c", "__printf_chk"),
    CallPlant("core-purity", "health", "src/health/planted.c", "g_get_monotonic_time"),
    CallPlant("core-purity", "engine", "src/engine/planted.c", "g_log"),
    CallPlant("core-purity", "base", BASE, "vr_rollout_new"),
    CallPlant("core-purity", "rollout", "src/rollout/planted.c", "vr_error_quark", red=False),
    CallPlant("core-purity", "base", BASE, "__strcpy_chk"),
    CallPlant("core-purity", "base", BASE, "__memcpy_chk", red=False),
    CallPlant("core-purity", "base", BASE, "__asan_report_load1", red=False),
    CallPlant("core-purity", "engine", "src/engine/planted.c", "g_queue_new", red=False),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_rollout_decide"),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_recovery_match"),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_planner_compute"),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_replay"),
    CallPlant("auditor-apart", "audit", AUDIT, "sim_controller_ports"),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_event_parse", red=False),
    CallPlant("auditor-apart", "audit", AUDIT, "vr_inventory_find_vm", red=False),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virDomainDestroy"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virDomainShutdown"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virDomainMigrateToURI3"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virDomainMigrate3"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virStoragePoolDestroy"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "gvir_domain_stop"),
    CallPlant("libvirt-calls", "adapters_libvirt", LIBVIRT + PLANTED, "virDomainGetState", False),
    CallPlant("libvirt-calls", "controller", "src/controller/planted.c", "virDomainResume"),
    CallPlant("libvirt-calls", "", "src/cli/planted.c", "virDomainShutdown"),
]


class Copy:
    """Sources and objects of the project in a folder of its own."""

    def __init__(self, source, build, folder):
        self.source, self.build = Path(folder) / "source", Path(folder) / "build"
        project = Project(source, build)
        self.texts = {path: project.text(path) for path in project.files()}
        for path in self.texts:
            self._copy(project.source / path, self.source / path)
        for archive in project.build.glob("src/**/libvr_*.a"):
            self._copy(archive, self.build / archive.relative_to(project.build))

    @staticmethod
    def _copy(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def findings(self, rule, changed=None):
        """`changed`: the file that is not as it was copied."""
        texts = {path: text for path, text in self.texts.items() if path != changed}
        return set(Project(self.source, self.build, texts).run(rule))

    @contextlib.contextmanager
    def changed(self, path):
        """A file of the copy, which is afterwards as before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else None
        yield path
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)

    @contextlib.contextmanager
    def planted(self, plant):
        with self.changed(self.source / plant.path) as path:
            licence = HEADER if plant.path.endswith((".c", ".h")) and not path.exists() else ""
            before = path.read_text(encoding="utf-8") if path.exists() else licence
            path.write_text(before + text_of(plant), encoding="utf-8")
            if isinstance(plant, CallPlant):
                with self._compiled(plant, path):
                    yield
            else:
                yield

    @contextlib.contextmanager
    def _compiled(self, plant, path):
        if not plant.layer:
            folder = self.build / Path(plant.path).parent / "CMakeFiles" / "planted.dir"
            with self.changed(folder / (path.name + ".o")) as target:
                compile_to(path, target)
                yield
            return
        archive = self.build / Path(plant.path).parent / f"libvr_{plant.layer}.a"
        with self.changed(archive), self.changed(self.build / (path.name + ".o")) as target:
            compile_to(path, target)
            subprocess.run(["ar", "r", str(archive), str(target)], check=True)
            yield


def text_of(plant):
    if isinstance(plant, Plant):
        return plant.text
    return f"void {plant.call}(void);\nvoid vr_planted(void)\n{{\n    {plant.call}();\n}}\n"


def compile_to(source, target):
    command = ["cc", "-fno-builtin", "-w", "-c", "-o", str(target), str(source)]
    subprocess.run(command, check=True)


def failures(copy, plant, before):
    """Sentences on what a plant did not do."""
    with copy.planted(plant):
        new = copy.findings(plant.rule, plant.path) - before
    what = f"{plant.rule}: {plant.path}: {text_of(plant).strip()[-160:]!r}"
    if plant.red and not new:
        yield f"{what} was let pass"
    if not plant.red and new:
        yield f"{what} was refused: {'; '.join(map(str, new))}"
    for finding in new:
        if finding.path != plant.path:
            yield f"{what} was found elsewhere: {finding}"


def empty_tree_failures():
    """A rule that finds nothing to check fails."""
    with tempfile.TemporaryDirectory() as folder:
        for name in RULES:
            with contextlib.redirect_stdout(io.StringIO()):
                status = tidy.main(["--source", folder, "--build", folder, "--rule", name])
            if status != 1:
                yield f"{name} is content with an empty tree"


def check(copy):
    plants = SOURCES + OBJECTS
    before = {name: copy.findings(name) for name in RULES}
    for plant in plants:
        yield from failures(copy, plant, before[plant.rule])
    for name in RULES:
        if not any(plant.red for plant in plants if plant.rule == name):
            yield f"{name} has no planted breach"
        if copy.findings(name) != before[name]:
            yield f"{name}: the copy is not as it was before"
    yield from empty_tree_failures()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, metavar="DIR")
    parser.add_argument("--build", required=True, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = list(check(Copy(options.source, options.build, folder)))
    print(*failed, sep="\n")
    red = sum(plant.red for plant in SOURCES + OBJECTS)
    harmless = len(SOURCES + OBJECTS) - red
    print(f"planted: {red} breaches, {harmless} look-alikes, {len(failed)} not as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
