-- Workflows and their published versions, in the layout that Citus can distribute on `tenant`: the column is not null and
-- first in every primary key, unique key and foreign key. The default is the tenant of those who have only one.

CREATE TABLE workflow_definitions (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    workflow_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    key text,
    name text NOT NULL,
    description text,
    payload_schema_ref text,
    payload_schema_mode text NOT NULL DEFAULT 'pinned',
    pinned_payload_schema_ref text,
    payload_schema_provenance text,
    trigger jsonb,
    draft_definition jsonb NOT NULL,
    draft_version integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'draft',
    is_system boolean NOT NULL DEFAULT false,
    is_visible boolean NOT NULL DEFAULT true,
    is_paused boolean NOT NULL DEFAULT false,
    concurrency_limit integer,
    auto_pause_on_failure boolean NOT NULL DEFAULT false,
    failure_rate_threshold numeric(5,2) DEFAULT 0.5,
    failure_rate_min_runs integer DEFAULT 10,
    retention_policy_override jsonb,
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validated_at timestamptz,
    created_by uuid,
    updated_by uuid,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_definitions_pkey PRIMARY KEY (tenant, workflow_id),
    CONSTRAINT workflow_definitions_status_check CHECK (status IN ('draft', 'published'))
);

CREATE UNIQUE INDEX workflow_definitions_key_index ON workflow_definitions (tenant, key) WHERE key IS NOT NULL;

CREATE TABLE workflow_definition_versions (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    version_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    definition_json jsonb NOT NULL,
    payload_schema_json jsonb,
    published_by uuid,
    published_at timestamptz,
    validation_status text,
    validation_errors jsonb,
    validation_warnings jsonb,
    validated_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_definition_versions_pkey PRIMARY KEY (tenant, version_id),
    CONSTRAINT workflow_definition_versions_number_key UNIQUE (tenant, workflow_id, version),
    CONSTRAINT workflow_definition_versions_workflow_fkey FOREIGN KEY (tenant, workflow_id)
        REFERENCES workflow_definitions (tenant, workflow_id) ON DELETE CASCADE
);
