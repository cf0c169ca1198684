"""Runs carried out here and now, in time that moves by itself: for `wfsync test`, and for whoever needs no instance.

Belongs here: the loop that answers the commands of machines (`driver`), what it asks of the world around (`world`), and
what an action knows of its call (`context`). Does not belong here: what the answers are (a test, a simulation
and the real actions each have theirs), anything that lasts (`wfsync.runtime.engine`), waiting for a real clock.
"""
