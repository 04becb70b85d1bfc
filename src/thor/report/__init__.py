"""The report: one self-contained page of what a run found, how sure it is, and how it was made.

`content` and `scenarios` gather it from datasets, `summary` says it in sentences, `manifest` says what it was made
from, and `page` lays it out with the templates beside it. It knows no Kedro and reads no files but its own templates.
"""
