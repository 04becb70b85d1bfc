"""The pipelines, one folder each: the table of contents of what THOR does."""
