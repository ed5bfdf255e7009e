"""Benchmarks: one question per file, each against its baseline in the same run.

Its answer is a number, written as JSON to `results/`. Whether something is right is for the tests.
"""
