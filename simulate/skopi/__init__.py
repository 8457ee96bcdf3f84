"""The one door to skopi 0.6.0: its form-factor table, its detector and its experiment."""

import sys
import types

# Importing skopi.gpu, which an experiment of skopi's does, raises where there is no CUDA; see engine.py.
sys.modules.setdefault("skopi.gpu", types.ModuleType("skopi.gpu"))
sys.modules.setdefault("skopi.gpu.diffraction", types.ModuleType("skopi.gpu.diffraction"))
