#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The house rules as a test; docs/internals/style.md lists them.

Prints `file:line: rule: message` for each breach and ends with 1 if there is one, or if a rule
found nothing to check: that would prove nothing.
"""

import argparse
import sys

sys.dont_write_bytecode = True

# The first three register their rules.
import layers, objects, text  # noqa: E401,E402,F401
from project import RULES, Project  # noqa: E402


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, metavar="DIR", help="the checkout")
    parser.add_argument("--build", required=True, metavar="DIR", help="where it was built")
    parser.add_argument("--rule", choices=sorted(RULES), help="this one only")
    return parser.parse_args(argv)


def main(argv):
    options = arguments(argv)
    project = Project(options.source, options.build)
    failed = False
    for name in [options.rule] if options.rule else RULES:
        for finding in project.run(name):
            failed = True
            print(finding)
        if project.checked[name] == 0:
            failed = True
            print(f"tidy: {name} found nothing to check")
    print("tidy: checked", ", ".join(f"{name} {n}" for name, n in project.checked.items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
