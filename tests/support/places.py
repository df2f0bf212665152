"""Where things are in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "preinit"
TESTS = ROOT / "tests"
FIXTURES = ROOT / "fixtures"
SCRIPTS = ROOT / "scripts"
README = ROOT / "README.md"
