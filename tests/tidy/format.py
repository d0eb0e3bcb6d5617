#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""clang-format would change nothing. Ends with 77 where it is missing: then ctest skips the test.

Versions differ in what they do with the same .clang-format, so there is one that counts.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = 14
SKIPPED = 77


def find_program():
    """The command of the version that counts; None if there is none."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            banner = subprocess.run([name, "--version"], check=True, capture_output=True, text=True)
            if re.search(rf"\bversion {VERSION}\.", banner.stdout):
                return name
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, metavar="DIR")
    source = Path(parser.parse_args().source)
    program = find_program()
    if program is None:
        print(f"skipped: clang-format {VERSION} is not installed")
        return SKIPPED
    folders = [source / name for name in ("src", "include", "tests")]
    files = sorted(str(path) for folder in folders for path in folder.rglob("*.[ch]"))
    print(f"{program}: {len(files)} files")
    result = subprocess.run([program, "--dry-run", "-Werror", *files], check=False)
    return 1 if result.returncode != 0 or not files else 0


if __name__ == "__main__":
    sys.exit(main())
