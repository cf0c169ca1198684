"""Does what a plan says, in one transaction, or nothing at all. The only room that opens a write transaction.

Belongs here: whether the plan's digests still hold, the order of the statements, what happened (`Outcome`).
Does not belong here: deciding (`plan`), SQL (`store`), files (`repo`, `export`), wording (`render`).
"""
