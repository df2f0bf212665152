"""Many builds of one module: a file of jobs, done by processes of this machine or by a Dask cluster."""

from __future__ import annotations

from .jobs import Batch, Job, read_folder, read_jobs
from .run import JobResult, Summary, run

__all__ = ["Batch", "Job", "JobResult", "Summary", "read_folder", "read_jobs", "run"]
