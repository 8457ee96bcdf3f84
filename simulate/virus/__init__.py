"""Pulses that hit viruses, their neighbours and what is none of them: closed forms, shots and frames."""
