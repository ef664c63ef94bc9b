"""Run the loops of a kernel as they stand, and write down every element they touch."""

from minisparse.kernels.recording.run import Recording, measure_counts, record, record_run
from minisparse.kernels.recording.stream import Stream

__all__ = ["Recording", "Stream", "measure_counts", "record", "record_run"]
