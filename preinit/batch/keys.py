"""The keys of a job file: of its head, of what all jobs have in common, of a job."""

from __future__ import annotations

from ..options.entries import INPUT, OUTPUT, OUTPUT_DIR, REPORT, VERIFIED
from ..options.kinds import FLAG
from ..options.tables import Key, option_keys, table_of

DEFAULTS = {**option_keys(), "verify": VERIFIED}
#: Without what is compiled only once, for all jobs.
JOB = {"output": OUTPUT, "report": REPORT, **option_keys(compiled=False), "verify": VERIFIED}
HEAD = {
    "input": INPUT,
    "output-dir": OUTPUT_DIR,
    "defaults": Key(table_of(DEFAULTS), "What holds for each job that does not say otherwise; tables are merged."),
    "job": Key(FLAG, "The jobs: [[job]] before each."),
}
