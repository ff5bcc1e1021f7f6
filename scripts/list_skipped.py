#!/usr/bin/env python3
"""Lists the tests that a CTest run skipped, with the reason that each gave.

    scripts/list_skipped.py build/ctest.xml [--only-allow REGEX]

With --only-allow it exits 1 when a reason does not begin with a match.
"""
import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree

# What GoogleTest and unittest print for a skip, reason first group.
REASONS = [re.compile(r": Skipped\n(.+)"), re.compile(r"skipped ['\"](.+)['\"]"), re.compile(r"^SKIPPED: (.+)", re.M)]


def reason_of(output):
    for pattern in REASONS:
        if found := pattern.search(output):
            return found.group(1).strip()
    return "no reason given"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("junit")
    parser.add_argument("--only-allow", metavar="REGEX")
    args = parser.parse_args()

    skipped = [
        (case.get("name"), reason_of(case.findtext("system-out") or ""))
        for case in ElementTree.parse(args.junit).getroot().iter("testcase")
        if case.find("skipped") is not None
    ]
    print(f"{len(skipped)} skipped" + (":" if skipped else ""))
    for name, reason in skipped:
        print(f"  {name}: {reason}")
    refused = [name for name, reason in skipped if args.only_allow and not re.match(args.only_allow, reason)]
    if refused:
        sys.exit(f"list_skipped: error: tests were skipped that must run here: {', '.join(refused)}")


if __name__ == "__main__":
    main()
