"""Both sides of a comparison, read through ``repo`` and ``store`` and reduced to small values.

What belongs here turns files into `DesiredState` and rows into ``LiveState``, each in one streaming pass. What
compares them (plan), writes (apply, export) or prints does not. The room lies below apply and export, because both
must read rows the same way as the plan did: that is what makes their digests comparable.
"""
