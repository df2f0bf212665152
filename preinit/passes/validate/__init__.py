"""Every output is validated before anybody gets it; of several ways to write it, the first valid one is right."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from ...engine.validation import REFUSALS
from ...errors import OutputInvalid
from ..observer import Observer
from ..plan.job import Job
from .validity import InputCheck, Validity

if TYPE_CHECKING:
    from ..rewrite import Rewritten

__all__ = ["InputCheck", "Validity", "first_valid"]


def first_valid(outputs: Iterator[Rewritten], job: Job, validity: Validity, observer: Observer) -> Rewritten:
    """The first of the outputs that is valid.

    Raises `OutputInvalid`; one of `REFUSALS` if the input is to blame: on demand, code that was never called is
    seen here for the first time.
    """
    from ..rewrite import has_more  # the guest's code is compiled before that is needed

    problem: Exception | None = None
    for output in outputs:
        try:
            with observer.stage("validate"):
                job.deadline.start(partial(validity.check, output.written)).result()
        except REFUSALS as refusal:
            problem = refusal
            continue
        if has_more(output.written, job.module):
            validity.check(job.module.data)  # code that was never called may name what the input lacks
        return output
    validity.check(job.module.data)
    raise OutputInvalid(f"the output does not validate: {problem}") from problem
