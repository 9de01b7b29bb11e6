"""Streams with planted faults, and how many of them the detectors find."""
