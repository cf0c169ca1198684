-- The ledger: what wfsync remembers of a database, in a schema of its own. Tenant first in every key, so that the tables
-- of tenants can be distributed with create_distributed_table and nothing else. Texts that are compared are compared
-- byte by byte, whatever the database's collation. No foreign key leads from apply_changes to applies: both are written
-- and removed by one statement after the other in one transaction, and its check costs more than the rows.

CREATE TABLE wfsync.instance (
    one boolean CONSTRAINT instance_pkey PRIMARY KEY DEFAULT true CONSTRAINT instance_one_row CHECK (one),
    hmac_key bytea NOT NULL CONSTRAINT instance_hmac_key_length CHECK (pg_catalog.octet_length(hmac_key) = 32),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE wfsync.instance IS 'One row: the key of the digests in pinned plans.';

CREATE TABLE wfsync.managed (
    tenant text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    source text NOT NULL,
    origin text NOT NULL CONSTRAINT managed_origin CHECK (origin IN ('created', 'adopted')),
    workflow_id text NOT NULL,
    digest text NOT NULL,
    policy text NOT NULL,
    held text,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT managed_pkey PRIMARY KEY (tenant, key)
);
COMMENT ON TABLE wfsync.managed IS 'Workflows that wfsync manages, as its last apply left them; never thinned out.';

CREATE TABLE wfsync.applies (
    tenant text COLLATE "C" NOT NULL,
    apply_id uuid NOT NULL,
    at timestamptz NOT NULL,
    command text NOT NULL,
    outcome text NOT NULL CONSTRAINT applies_outcome CHECK (outcome IN ('applied', 'failed')),
    error_code text,
    error text,
    actor text NOT NULL,
    actor_origin text NOT NULL,
    run_url text,
    source text NOT NULL,
    branch text,
    commit_id text,
    dirty boolean NOT NULL,
    target text NOT NULL,
    plan_digest text NOT NULL,
    options jsonb NOT NULL,
    counts jsonb NOT NULL,
    wfsync text NOT NULL,
    seconds double precision NOT NULL,
    CONSTRAINT applies_pkey PRIMARY KEY (tenant, apply_id)
);
COMMENT ON TABLE wfsync.applies IS 'One row for each apply that changed something, and for each that failed.';
CREATE INDEX applies_at ON wfsync.applies (tenant, at DESC);

CREATE TABLE wfsync.apply_changes (
    tenant text COLLATE "C" NOT NULL,
    apply_id uuid NOT NULL,
    position integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    action text NOT NULL,
    before_digest text,
    after_digest text,
    before_id text,
    after_id text,
    versions integer[] NOT NULL,
    image bytea,
    CONSTRAINT apply_changes_pkey PRIMARY KEY (tenant, apply_id, position)
);
COMMENT ON COLUMN wfsync.apply_changes.image IS
    'The rows before: zlib of {"definition": {column: value}, "versions": [{column: value}]}; null for what was created.';
ALTER TABLE wfsync.apply_changes ALTER COLUMN image SET STORAGE EXTERNAL;
CREATE INDEX apply_changes_key ON wfsync.apply_changes (tenant, key);
