#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""osprim's entry; `./runner.py --help` lists its commands."""

import os
import sys

sys.dont_write_bytecode = True  # nothing beside the sources; compiling them anew costs 15 ms

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path[0] = ROOT

from harness.driver import cli  # noqa: E402

if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:], ROOT))
