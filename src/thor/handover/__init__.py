"""Hand-over between teams: the files of a stage in one archive, checked whole before any of it is put in place.

An archive is an ordinary tar that other tools can read; this package reads it with suspicion and loads nothing from it.
"""

from thor.handover.manifest import Manifest
from thor.handover.packing import Made, Place, made_by, pack
from thor.handover.reading import verify
from thor.handover.unpacking import Received, unpack

__all__ = ["Made", "Manifest", "Place", "Received", "made_by", "pack", "unpack", "verify"]
