#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""audit verify, journal backup and journal restore, and what the program says of a failing disk.
Usage: journal.py PATH_OF_VIRT_ROLL PATH_OF_MAKE_JOURNAL PATH_OF_FAIL_DISK"""
import fcntl
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, MAKER, FAIL_DISK = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:4])
del sys.argv[1:4]

FLEET = """format: virt-roll-fleet/1
name: test
defaults:
  update: {level: l2, stages: {facts: [/bin/true], apply: [/bin/true]}}
hosts:
  - {name: h1, uri: "qemu+tcp://h1/system"}
"""
ROLLOUT = "20261122-120000-lab"


class Journal(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.state = self.folder / "state"
        self.file = self.state / "journal.db"
        self.fleet = self.folder / "fleet.yaml"
        self.fleet.write_text(FLEET, encoding="utf-8")

    def run_with(self, *arguments, **environment):
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("VIRT_ROLL_")}
        return subprocess.run([PROGRAM, "-f", self.fleet, "--state", self.state,
                               *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=60,
                              capture_output=True, text=True, env={**clean, **environment},
                              cwd=self.folder, check=False)

    def make(self, count, *ways, state=None):
        """What it prints: the attempt in hand, if any, and the number of records."""
        return subprocess.run([MAKER, state or self.state, str(count), *ways], check=True,
                              timeout=60, stdout=subprocess.PIPE, text=True).stdout.split()

    def works(self, *arguments):
        result = self.run_with(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def audit(self, *arguments):
        return json.loads(self.works("audit", "verify", "-o", "json", *arguments))

    def content(self):
        """Of every file but SQLite's index, which says nothing."""
        return {path: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.folder.rglob("*")
                if path.is_file() and path.stat().st_size > 0 and not path.name.endswith("-shm")
                and path.name != "lock"}

    def refused(self, status, words, *arguments, **environment):
        before = self.content()
        result = self.run_with(*arguments, **environment)
        self.assertEqual(result.returncode, status, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(self.content(), before, "something was touched")
        return result

    def damage(self, old, new):
        content = self.file.read_bytes()
        self.assertIn(old, content)
        self.file.write_bytes(content.replace(old, new))

    # ------------------------------------------------------------------ audit verify

    def test_verify_tells_what_is_there(self):
        self.make(8)
        audit = self.audit()
        self.assertEqual((audit["format"], audit["whole"], audit["records"], audit["problem"]),
                         ("virt-roll-audit/1", True, 8, None))
        self.assertEqual(audit["rollouts"], [
            {"rollout": ROLLOUT, "phase": "stopped", "first_record": 1, "last_record": 8,
             "begun_at": "2026-11-22T12:00:00Z", "last_event_at": "2026-11-22T12:00:07Z"}])
        text = self.works("audit", "verify")
        self.assertIn("8 records, whole", text)
        self.assertIn(audit["head"], text)

    def test_verify_without_journal(self):
        self.refused(2, ["there is no journal"], "audit", "verify")

    def test_verify_names_the_first_bad_record(self):
        self.make(8)
        self.damage(b"rollout-phase", b"rollout-phasf")
        for verb in (["audit", "verify"], ["status"], ["rollout", "close", "--reason", "x"],
                     ["journal", "backup", self.folder / "b"]):
            result = self.refused(4, ["journal.db: record 2", "is not what was written"], *verb)
        result = self.refused(4, ["the 1 before it are good", "journal restore FILE"],
                              "audit", "verify", "-o", "json")
        audit = json.loads(result.stdout)
        self.assertEqual((audit["whole"], audit["records"], audit["head"]), (False, 1, None))
        self.assertIn("record 2", audit["problem"])

    def test_verify_names_a_record_that_means_nothing(self):
        self.make(4, "unsound")
        self.refused(4, ["journal.db: journal record 5", "moon-landed", "2026-11-22T12:00:04Z"],
                     "audit", "verify")

    def test_verify_expects_a_head(self):
        self.make(4)
        head = self.audit()["head"]
        self.assertEqual(self.audit("--expect-head", head)["records"], 4)
        older = "3:" + head[2:]
        self.refused(4, ["record 3 has another hash"], "audit", "verify", "--expect-head", older)
        later = "9:" + head[2:]
        self.refused(4, ["record 5 is missing"], "audit", "verify", "--expect-head", later)
        for bad in ("4", "0:" + head[2:], head + "0", head.upper() + "X", "x:" + head[2:]):
            self.refused(2, ["--expect-head", "SEQUENCE:HASH"], "audit", "verify",
                         "--expect-head", bad)

    # ------------------------------------------------------------------ beside a controller

    def test_verify_and_backup_beside_a_controller(self):
        backup = self.folder / "backup.db"
        with subprocess.Popen([MAKER, self.state, "4", "hold"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as maker:
            self.assertEqual(maker.stdout.readline(), "4\n")
            self.assertEqual(self.audit()["records"], 4)
            head = json.loads(self.works("journal", "backup", backup, "-o", "json"))["head"]
            maker.stdin.write("go on\n")
            maker.stdin.flush()
            self.assertEqual(maker.stdout.readline(), "5\n")
            self.assertEqual(self.audit("--expect-head", head)["records"], 5)
            self.refused(3, ["another controller works on this fleet"], "journal", "restore",
                         backup, "--yes")
            maker.stdin.close()
            self.assertEqual(maker.wait(timeout=60), 0)
        self.assertEqual(self.audit()["records"], 5)
        self.assertEqual(backup.stat().st_mode & 0o777, 0o600)
        self.assertEqual([path.name for path in self.folder.glob("backup*")], ["backup.db"])

    def test_backup_writes_over_nothing(self):
        self.make(2)
        backup = self.folder / "backup.db"
        backup.write_text("mine", encoding="utf-8")
        self.refused(3, ["backup.db: is there already"], "journal", "backup", backup)
        self.refused(4, ["no/such/backup.db"], "journal", "backup", "no/such/backup.db")

    # ------------------------------------------------------------------ restore

    def test_restore_puts_the_backup_there_and_keeps_what_was(self):
        backup = self.folder / "backup.db"
        self.make(4, state=self.folder / "older")
        self.state.symlink_to(self.folder / "older")
        self.works("journal", "backup", backup)
        self.state.unlink()
        self.make(6)
        attempt = self.state / "stages" / ROLLOUT / "1-1-apply"
        attempt.mkdir(parents=True)
        (attempt / "lock").touch()
        text = self.works("journal", "restore", backup, "--yes")
        for word in ("4 records", "recovery.fence_ms", "do not restore", "before-restore-"):
            self.assertIn(word, text)
        self.assertEqual(self.audit()["records"], 4)
        aside, = self.state.glob("before-restore-*")
        self.assertTrue((aside / "stages" / ROLLOUT).is_dir())
        self.assertFalse((self.state / "stages").exists())
        self.state = aside
        self.assertEqual(self.audit()["records"], 6)

    def test_restore_gives_up_the_stage_in_hand(self):
        """It may have run: with its folder away, the next run would begin it again."""
        backup = self.folder / "backup.db"
        attempt, _ = self.make(5, "applying")
        self.works("journal", "backup", backup)
        shutil.rmtree(self.state)
        for _ in "into nothing", "over itself":
            self.works("journal", "restore", backup, "--yes")
            self.assertEqual(self.attempts(self.state), self.given_up(attempt))
        output = self.state / "stages" / ROLLOUT / attempt / "output"
        self.assertIn("before-restore-", output.read_text(encoding="utf-8"))

    @staticmethod
    def attempts(state):
        """Their files."""
        folder = state / "stages" / ROLLOUT
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    @staticmethod
    def given_up(attempt):
        return [f"{attempt}/{name}" for name in ("lock", "output", "started")]

    def test_restored_journal_goes_on(self):
        backup = self.folder / "backup.db"
        self.make(4)
        self.works("journal", "backup", backup)
        for path in self.state.iterdir():
            path.unlink()
        self.works("journal", "restore", backup, "--yes")
        self.works("rollout", "close", "--reason", "planned anew")
        self.assertEqual(self.audit()["rollouts"][0]["phase"], "closed")

    def test_restore_mends_a_broken_journal_with_its_log(self):
        backup = self.folder / "backup.db"
        self.make_with_log(5)
        self.works("journal", "backup", backup)
        log = self.state / "journal.db-wal"
        log.write_bytes(b"\0" + log.read_bytes()[1:])
        self.refused(4, ["is gone; journal.head knows of 6"], "status")
        self.works("journal", "restore", backup, "--yes")
        self.assertEqual(self.audit()["records"], 6)
        aside, = self.state.glob("before-restore-*")
        self.assertTrue((aside / "journal.db-wal").exists())

    def make_with_log(self, count, *ways):
        """By a controller that is killed, so that its last records are in the log alone."""
        with subprocess.Popen([MAKER, self.state, str(count), *ways, "hold"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as maker:
            for _ in range(1 + len(ways)):
                self.assertTrue(maker.stdout.readline())
            maker.stdin.write("go on\n")
            maker.stdin.flush()
            records = int(maker.stdout.readline())
            maker.kill()
        self.assertGreater((self.state / "journal.db-wal").stat().st_size, 0)
        return records

    def test_restore_cut_off_anywhere_loses_nothing(self):
        """The old journal, the new one, each with its stages, or one that is refused until it is
        restored again."""
        attempt, count = self.make(5, "applying")
        new = int(count), self.given_up(attempt)
        old = new[0] + 1, [f"{attempt}/status"]
        backup = self.folder / "backup.db"
        self.works("journal", "backup", backup)
        outcomes = []
        status, number = 99, 0
        while status == 99:
            number += 1
            self.state = self.folder / f"cut-{number}"
            self.assertEqual(self.make_with_log(5, "applying"), old[0])
            folder = self.state / "stages" / ROLLOUT / attempt
            folder.mkdir(parents=True)
            (folder / "status").write_text("exited 0\n", encoding="utf-8")
            result = self.run_with("journal", "restore", backup, "--yes", LD_PRELOAD=FAIL_DISK,
                                   DIE_AT=str(number))
            status = result.returncode
            self.assertIn(status, (0, 99), result.stderr)
            outcomes.append(self.outcome())
            # What was there is there under one name or the other, and a restore goes through.
            states = [self.state, *self.state.glob("before-restore-*")]
            self.assertIn(old[0], map(self.records, states))
            self.assertIn(old[1], map(self.attempts, states))
            self.works("journal", "restore", backup, "--yes")
            self.assertEqual(self.outcome(), new)
        self.assertEqual([outcome for outcome, _ in itertools.groupby(outcomes)],
                         [old, "refused", new])
        self.assertGreater(number, 8)

    def records(self, state):
        """None: they cannot be read."""
        audit = self.run_with("--state", state, "audit", "verify", "-o", "json")
        return json.loads(audit.stdout)["records"] if audit.returncode == 0 else None

    def outcome(self):
        """What a controller would go on with: records and stages."""
        records = self.records(self.state)
        if records is not None:
            return records, self.attempts(self.state)
        for verb in (["status"], ["rollout", "close", "--reason", "x"]):
            self.refused(4, ["is missing while"], *verb)
        return "refused"

    def test_restore_refuses_what_is_no_backup(self):
        self.make(4)
        backup = self.folder / "backup.db"
        self.works("journal", "backup", backup)
        self.refused(2, ["none.db: there is no journal"], "journal", "restore", "none.db", "--yes")
        self.refused(2, ["--yes"], "journal", "restore", backup)
        whole = backup.read_bytes()
        for content, word in ((b"Dear diary,", "not a journal"), (b"", "not a journal"),
                              (b"x" * 5000, "file is not a database"),
                              (whole[:60] + b"\0\0\0\2" + whole[64:], "has format 2"),
                              (whole[:len(whole) - 4096], "backup.db: "),
                              (whole.replace(b"rollout-phase", b"rollout-phasf"), "record 2")):
            backup.write_bytes(content)
            self.refused(4, ["backup.db", word], "journal", "restore", backup, "--yes")

    def test_restore_waits_for_a_stage_that_runs(self):
        self.make(4)
        backup = self.folder / "backup.db"
        self.works("journal", "backup", backup)
        attempt = self.state / "stages" / ROLLOUT / "1-1-apply"
        attempt.mkdir(parents=True)
        with open(attempt / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refused(3, ["1-1-apply: this stage still runs"], "journal", "restore", backup,
                         "--yes")

    # ------------------------------------------------------------------ failing disk

    def test_failing_disk_is_told_and_the_journal_stays_readable(self):
        for way in ("sync", "write", "full"):
            with self.subTest(way):
                self.state = self.folder / way
                self.make(4)
                result = self.run_with("rollout", "close", "--reason", "x", LD_PRELOAD=FAIL_DISK,
                                       FAIL_DISK=way)
                self.assertEqual(result.returncode, 4, result.stderr)
                self.assertIn("the journal did not take an event", result.stderr)
                self.assertIn("Nothing more is issued", result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertGreaterEqual(self.audit()["records"], 4)
                self.assertIn(ROLLOUT, self.works("status"))


if __name__ == "__main__":
    unittest.main()
