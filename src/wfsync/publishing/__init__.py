"""`wfsync publish`: a draft becomes a version that is executed, in its file or in a database (spec: runtime.md).

Belongs here: which version a draft becomes, what it is checked against, and the order of finding, checking and writing.
Does not belong here: the checks themselves (`wfsync.runtime.publish_checks`), the transaction (`wfsync.apply`), words
and options.
"""
