"""The command line: thin files, one for each command."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
