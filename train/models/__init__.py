"""One file a family of networks; `registry.py` names them, `heads.py` is what they share."""
