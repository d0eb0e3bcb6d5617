#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virt-roll says to bad usage and bad input: the exit status, the message, and that nothing
was touched. Usage: refusals.py PATH_OF_VIRT_ROLL"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).resolve())

HEAD = "format: virt-roll-fleet/1\nname: test\n"
STAGES = "  update:\n    level: l2\n    stages: {facts: [/bin/true], apply: [/bin/true]}\n"
SOUND = HEAD + "defaults:\n" + STAGES + "hosts:\n  - {name: h1, uri: \"qemu+tcp://h1/system\"}\n"


class Refusals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.state = self.folder / "state"

    def run_with(self, *arguments, environment=None):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("VIRT_ROLL_")}
        return subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, cwd=self.folder,
                              env={**clean, **(environment or {})}, check=False)

    def fleet(self, text):
        path = self.folder / "fleet.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def refused(self, status, words, *arguments, **more):
        before = sorted(self.folder.rglob("*"))
        result = self.run_with(*arguments, **more)
        self.assertEqual(result.returncode, status, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stdout, "")
        for line in result.stderr.splitlines():
            self.assertTrue(line.startswith("virt-roll: "), line)
        self.assertEqual(sorted(self.folder.rglob("*")), before, "something was touched")

    def refused_fleet(self, text, *words):
        path = self.fleet(text)
        for verb in (["fleet", "validate"], ["run", "--yes"], ["inventory"], ["plan"]):
            self.refused(2, words, "-f", path, "--state", self.state, *verb)

    # ------------------------------------------------------------------ usage

    def test_unknown_command_names_the_nearest(self):
        self.refused(2, ["runn: there is no such command; did you mean run?"], "runn")
        self.refused(2, ["fleet valdate", "did you mean fleet validate?"], "fleet", "valdate")
        self.refused(2, ["xyzzy: there is no such command; virt-roll help"], "xyzzy")

    def test_half_a_command_names_its_second_words(self):
        words = "diff, replan, skip, retry, defer, undo, release, close, definition, report"
        self.refused(2, [f"rollout: needs a second word, one of {words}"], "rollout")

    def test_no_command(self):
        self.refused(2, ["no command"])

    def test_unknown_option_names_the_nearest(self):
        self.refused(2, ["--polcy: there is no such option here; did you mean --policy?"],
                     "--polcy", "x", "run")
        self.refused(2, ["--hots", "did you mean --hosts?"], "plan", "--hots=a")
        self.refused(2, ["-x: there is no such option here"], "status", "-x")

    def test_option_of_another_command(self):
        self.refused(2, ["--yes: there is no such option here"], "status", "--yes")

    def test_option_without_its_value(self):
        self.refused(2, ["--update"], "run", "--update")

    def test_bad_format(self):
        self.refused(2, ["-o jso: must be table or json; did you mean json?"], "plan", "-o", "jso")

    def test_arguments(self):
        self.refused(2, ["status: does not take \"now\""], "status", "now")
        self.refused(2, ["rollout retry: needs HOST"], "rollout", "retry")
        self.refused(2, ["needs --reason TEXT"], "rollout", "close")

    def test_fleet_init(self):
        self.refused(2, ["needs --hosts LIST"], "fleet", "init")
        self.refused(2, ["--ansible: is not in this version"], "fleet", "init", "--ansible", "x")
        self.refused(2, ["\"k[2-1]\""], "fleet", "init", "--hosts", "k[2-1]")
        self.refused(2, ["uri", "qemu:///system"], "fleet", "init", "--hosts", "k1",
                     "--uri", "qemu:///system")

    def test_fleet_init_writes_over_nothing(self):
        path = self.fleet(SOUND)
        self.refused(3, ["is there already"], "fleet", "init", "--hosts", "k1", "--output", path)
        self.assertEqual(path.read_text(encoding="utf-8"), SOUND)

    # ------------------------------------------------------------------ files

    def test_no_fleet_file(self):
        words = ["none.yaml", "virt-roll fleet init"]
        for verb in (["run", "--yes"], ["plan"], ["inventory"], ["fleet", "validate"], ["status"],
                     ["rollout", "close", "--reason", "x"], ["rollout", "retry", "h1"]):
            self.refused(2, words, *verb, environment={"VIRT_ROLL_FLEET": "none.yaml"})

    def test_option_beats_environment(self):
        self.refused(2, ["option.yaml"], "-f", "option.yaml", "plan",
                     environment={"VIRT_ROLL_FLEET": "none.yaml"})

    def test_broken_yaml_has_a_place(self):
        self.refused_fleet(HEAD + "hosts: [\n", "fleet.yaml:")

    def test_unknown_field_names_the_nearest(self):
        self.refused_fleet(SOUND.replace("name: h1", "name: h1, memroy_mib: 9"), "fleet.yaml:8:",
                           "memroy_mib", "did you mean memory_mib?")

    def test_wrong_type(self):
        self.refused_fleet(SOUND.replace("name: h1", "name: h1, link_mib_per_s: fast"),
                           "fleet.yaml:8:", "link_mib_per_s")

    def test_host_twice(self):
        self.refused_fleet(SOUND + "  - {name: h1, uri: \"qemu+tcp://h2/system\"}\n",
                           "fleet.yaml:9:", "h1")

    def test_empty_fleet(self):
        self.refused_fleet(HEAD + "hosts: []\n", "no hosts")
        self.refused_fleet("", "fleet.yaml")

    def test_stage_that_is_not_there(self):
        path = self.fleet(SOUND.replace("apply: [/bin/true]", "apply: [/none/apply]"))
        words = ["host h1, stage apply: /none/apply is not an executable file"]
        self.refused(2, words, "-f", path, "fleet", "validate")
        self.refused(2, words, "-f", path, "--state", self.state, "run", "--yes")

    def test_fleet_without_facts(self):
        path = self.fleet(SOUND.replace("facts: [/bin/true], ", ""))
        self.refused(2, ["host h1 has no stage facts"], "-f", path, "--state", self.state, "run",
                     "--yes")

    def test_broken_policy(self):
        path = self.fleet(SOUND)
        policy = self.folder / "policy.yaml"
        policy.write_text("format: virt-roll-policy/1\nlimit: {}\n", encoding="utf-8")
        for verb in (["plan"], ["run", "--yes"]):
            self.refused(2, ["policy.yaml:2:", "did you mean limits?"], "-f", path, "-p", policy,
                         "--state", self.state, *verb)
        self.refused(2, ["none.yaml"], "-f", path, "-p", "none.yaml", "plan")

    def test_broken_inventory(self):
        inventory = self.folder / "inventory.json"
        inventory.write_text("{", encoding="utf-8")
        self.refused(2, ["inventory.json"], "plan", "--inventory", inventory, "--update", "l2")
        self.refused(2, ["none.json"], "plan", "--inventory", "none.json", "--update", "l2")

    # ------------------------------------------------------------------ run and its world

    def test_update_level(self):
        path = self.fleet(SOUND.replace("    level: l2\n", ""))
        self.refused(2, ["--update LEVEL"], "-f", path, "plan")
        self.refused(2, ["--update LEVEL"], "-f", path, "--state", self.state, "run", "--yes")
        self.refused(2, ["update level \"a b\""], "-f", path, "plan", "--update", "a b")

    def test_run_without_terminal_and_without_yes(self):
        path = self.fleet(SOUND)
        self.refused(2, ["there is no terminal", "--yes"], "-f", path, "--state", self.state, "run")

    def test_retry_without_rollout(self):
        path = self.fleet(SOUND)
        self.refused(2, ["h1: there is no unfinished rollout"], "-f", path, "--state", self.state,
                     "rollout", "retry", "h1", "--yes")
        self.refused(2, ["h1: there is no unfinished rollout"], "-f", path, "--state", self.state,
                     "run", "--retry", "h1", "--yes")

    def test_close_and_report_without_rollout(self):
        path = self.fleet(SOUND)
        self.refused(2, ["there is no rollout to close"], "-f", path, "--state", self.state,
                     "rollout", "close", "--reason", "x")
        self.refused(2, ["there has been no rollout yet"], "-f", path, "--state", self.state,
                     "rollout", "report")

    def test_unreachable_host(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            uri = f"qemu+tcp://127.0.0.1:{closed.getsockname()[1]}/system"
            path = self.fleet(SOUND.replace("qemu+tcp://h1/system", uri))
            words = ["h1", uri, "is libvirtd running"]
            for verb in (["inventory"], ["plan"], ["run", "--yes"]):
                self.refused(4, words, "-f", path, "--state", self.state, *verb)

    def test_foreign_journal(self):
        path = self.fleet(SOUND)
        self.state.mkdir()
        (self.state / "journal.db").write_text("not ours", encoding="utf-8")
        for verb in (["status"], ["run", "--yes"], ["rollout", "report"]):
            result = self.run_with("-f", path, "--state", self.state, *verb)
            self.assertEqual(result.returncode, 4, result.stderr)
            self.assertIn("journal.db", result.stderr)
        self.assertEqual((self.state / "journal.db").read_text(encoding="utf-8"), "not ours")

    # ------------------------------------------------------------------ what is no refusal

    def test_status_without_state_says_so(self):
        result = self.run_with("--state", self.state, "status")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("There has been no rollout yet.", result.stdout)
        self.assertFalse(self.state.exists())

    def test_quiet_and_help_and_version(self):
        result = self.run_with("-q", "--state", self.state, "status")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        for arguments in (["help"], ["-h"], ["help", "run"], ["run", "-h"], ["rollout", "close",
                                                                            "--help"]):
            result = self.run_with(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("usage: virt-roll", result.stdout)
        self.assertTrue(self.run_with("--version").stdout.startswith("virt-roll "))

    def test_plan_of_a_kept_inventory_needs_no_fleet(self):
        inventory = self.folder / "inventory.json"
        inventory.write_text(
            '{"format":"virt-roll-inventory/1","taken_at":"2026-11-22T03:00:00Z","groups":[],'
            '"hosts":[{"name":"h1","memory_mib":1024,"vcpus":4,"link_mib_per_s":1000,"update_s":9,'
            '"updated":false}],"vms":[]}', encoding="utf-8")
        result = self.run_with("plan", "--inventory", inventory, "--update", "l2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 update, 0 migrations", result.stdout)
        result = self.run_with("plan", "--inventory", inventory, "--update", "l2", "-o", "json")
        self.assertIn('"format":"virt-roll-plan/1"', result.stdout)

    def test_data_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([PROGRAM, "--state", str(self.state), "status", "-o", "json"],
                                    stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 4)
        self.assertIn("standard output: cannot be written", result.stderr)


if __name__ == "__main__":
    unittest.main()
