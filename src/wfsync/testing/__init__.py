"""`wfsync test`: workflows of a repository tried out, with made-up answers in place of the world (issue 4, item 5).

Belongs here: reading test files (`read`), choosing among them (`selecting`), running one (`running`, on the driver of
`wfsync.runtime.in_process` or on a throw-away database), holding what happened against what was expected (`matching`,
`verdict`), which steps and branches were never tried (`coverage`), many tests in processes (`processes`). Does not
belong here: what a workflow does (`wfsync.runtime.interpreter`), options and streams (`wfsync.cli.test`), texts of
results (`wfsync.render.testing`).
"""
