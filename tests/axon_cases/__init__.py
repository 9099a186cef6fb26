"""Numeric cases published by Axon 0.8.1 (Apache-2.0): numbers, shapes and option values, no code."""
