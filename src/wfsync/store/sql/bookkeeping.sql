-- Which migrations were applied to the tables of this schema, by which wfsync. Its presence says that wfsync made them.

CREATE TABLE wfsync_migrations (
    name text CONSTRAINT wfsync_migrations_pkey PRIMARY KEY,
    checksum text NOT NULL,
    wfsync text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
