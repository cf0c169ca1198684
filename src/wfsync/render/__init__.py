"""Values to text, JSON and markdown. Returns text; never prints, never decides, never reads anything.

Belongs here: plans, outcomes, problems, status in each output format; escaping for each; masking was done before.
Does not belong here: click, streams, exit codes (`cli`); computing what is shown (`plan`, `apply`, `export`). Blind to
`wiring`, so that no renderer can reach a database.
"""
