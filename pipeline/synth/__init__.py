"""Seeded, realistic event streams for samples, tests and benchmarks."""

from pipeline.synth.job import Event, Job, Restart
from pipeline.synth.stream import job, jobs

__all__ = ["Event", "Job", "Restart", "job", "jobs"]
