"""Dynamical regimes: clusters of the vorticity budget's terms, made many times and reduced to one stable map.

`regime_model.fit_regimes` makes, aligns and groups the runs and names the regimes; `selection`, `balances` and
`metrics` describe them. Nothing is imported here, so that importing the settings is quick.
"""
