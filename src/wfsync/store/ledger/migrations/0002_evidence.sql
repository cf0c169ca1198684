-- What the last apply knew of every row, so that a plan need not read rows that have not moved since. Disposable: one
-- row a tenant, replaced as a whole, never needed.

CREATE TABLE wfsync.evidence (
    tenant text COLLATE "C" NOT NULL,
    rules text NOT NULL,
    guard text NOT NULL,
    xid text NOT NULL,
    total text,
    rows bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT evidence_pkey PRIMARY KEY (tenant)
);
COMMENT ON TABLE wfsync.evidence IS
    'Fingerprints of rows with the digests that they had; a cache that may be emptied at any time.';
ALTER TABLE wfsync.evidence ALTER COLUMN rows SET STORAGE EXTERNAL;
