"""Transfer between teams: the files of a stage in one archive, verified as a whole before any is put in place.

An archive is an ordinary tar that other tools can read. It is read by Python's `tarfile` with the filter ``data``, and
nothing in it is loaded or executed.
"""

from thor.handover.manifest import Manifest, Place
from thor.handover.packing import Made, made_by, pack
from thor.handover.reading import verify
from thor.handover.unpacking import Received, unpack

__all__ = ["Made", "Manifest", "Place", "Received", "made_by", "pack", "unpack", "verify"]
