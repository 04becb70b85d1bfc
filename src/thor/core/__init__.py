"""Foundations of the library: errors, the table of variables, files, fingerprints, threads and compute."""
