"""What each stage may rely on: contracts by stage name, checked on every dataset that is saved or loaded.

All rules are reductions, so a dataset backed by dask is checked in blocks and in one pass; only a
breach looks for its first cell. Nothing is repaired here: a dataset passes, or an error names what to correct.
"""

from thor.core.contracts.checks import check, find_contract
from thor.core.contracts.contract import Contract
from thor.core.contracts.stages import CONTRACTS

__all__ = ["CONTRACTS", "Contract", "check", "find_contract"]
