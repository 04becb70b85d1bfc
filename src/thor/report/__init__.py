"""The report: one self-contained page with the results of a run, their uncertainty and their origin.

`content` and `scenarios` collect datasets, `summary` numbers and sentences, `manifest` the origin of all files, and
`page` joins them with the templates. The folder is independent of Kedro and reads no files but its templates.
"""
