"""The version, which is written into every output."""

VERSION = "0.1.0"
