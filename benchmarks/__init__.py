"""Measures the bars on a real cluster. Never part of the tests: a figure that misses its bar is told, not asserted."""
