-- Under which field policies and overlay the digest in held was made: it says nothing of one that was made under others.
-- Null: not known (held before this column was).

ALTER TABLE wfsync.managed ADD COLUMN held_policy text;
COMMENT ON COLUMN wfsync.managed.held IS
    'Digest of the file that a rollback went behind (empty: there was none); the key is left alone while that holds.';
