# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-roll-sim as its user has it. usage: program.py VIRT-ROLL-SIM SCENARIOS [TEST…]"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = sys.argv.pop(1)
SCENARIOS = Path(sys.argv.pop(1))
CALM = '{"format": "virt-roll-scenario/1", "seed": 3, "hosts": 3, "vms_per_host": 2, "strikes": []}'


def simulate(*words, status=0):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=280)
    if done.returncode != status:
        raise AssertionError(f"{words}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
    return done


class Program(unittest.TestCase):
    def test_same_seed_same_trace(self):
        for seed in ("1", "9", "12"):
            first = simulate("--seed", seed, "--trace").stdout
            self.assertGreater(len(first.splitlines()), 100)
            self.assertEqual(first, simulate("--seed", seed, "--trace").stdout)

    def test_number_of_jobs_changes_nothing(self):
        results = []
        for jobs in ("1", "3"):
            result = json.loads(simulate("--seeds", "0..99", "--jobs", jobs, "-o", "json").stdout)
            del result["elapsed_ms"]
            results.append(result)
        self.assertEqual(*results)

    def test_summary_counts_what_happened(self):
        result = json.loads(simulate("--seeds", "0..399", "-o", "json").stdout)
        self.assertEqual(result["format"], "virt-roll-simulation/1")
        self.assertEqual(result["seeds"], 400)
        for name in ("rollouts_done", "migrations", "arrivals", "actions", "stages", "restarts"):
            self.assertGreater(result[name], 0, name)
        silent = [name for name, count in (result["faults"] | result["evaluations"]).items() if count == 0]
        self.assertEqual(sorted(result["never_happened"]), sorted(silent))
        self.assertEqual(result["breaches"], [])

    def test_kept_scenarios(self):
        """Each was a bug once (docs/internals/found.md)."""
        kept = sorted(SCENARIOS.glob("*.json"))
        self.assertTrue(kept)
        for path in kept:
            with self.subTest(path.name):
                self.assertIn("no rule was breached", simulate("--scenario", str(path)).stdout)

    def test_bad_scenario_names_its_first_error_and_is_left_alone(self):
        bad = {
            "{": ":1:2",
            '{"format": "virt-roll-scenario/9"}': "virt-roll-scenario/9 is not",
            CALM.replace('"hosts": 3', '"hosts": 1'): "hosts",
            CALM.replace("}", ', "hots": 3}'): "hots",
            CALM.replace("[]", '[{"fault": "flood", "opportunity": 1}]'): "flood is no kind",
            CALM.replace("[]", '[{"fault": "host-crash", "opportunity": 0}]'): "opportunity",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "scenario.json")
            for text, words in bad.items():
                path.write_text(text)
                self.assertIn(words, simulate("--scenario", str(path), status=2).stderr)
                self.assertEqual(path.read_text(), text)

    def test_bad_usage(self):
        for words in ([], ["--seeds", "5"], ["--seeds", "9..2"], ["--seed", "x"], ["-o", "xml", "--seed", "1"],
                      ["--scenario", "/nowhere"], ["--seed", "1", "--seeds", "1..2"], ["what"]):
            self.assertIn("virt-roll-sim:", simulate(*words, status=2).stderr)

    def test_nothing_to_shrink(self):
        self.assertIn("no rule was breached", simulate("--seed", "1", "--shrink").stderr)


if __name__ == "__main__":
    unittest.main()
