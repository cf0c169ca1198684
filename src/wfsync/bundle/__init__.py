"""What one workflow file says: bytes to values, values to bytes. Pure.

Belongs here: reading JSON and YAML with positions, the schemas, the rules, the model, the canonical bytes and their
digest, references, dependencies, the registry's values. Everything is a function of what is passed in.

Does not belong here: files and git (`repo`), the database (`store`), which directory or policy holds (`config`),
comparing two sides (`plan`), any printing (`render`). The only file ever opened is a schema that ships with the
package (`schema_files`).
"""
