-- The newest shape of wfsync's tables, for a database that has none: what all migrations together make. A test compares
-- the two in the catalog.

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

-- Runs of workflows and what hangs on a run. Everything goes with the definition by cascade, and every foreign key has an
-- index that begins with its columns, so that a delete never scans. A run names its parent and its root without a foreign
-- key: a child belongs to its own workflow, and stays when the caller's is deleted.

CREATE TABLE workflow_runs (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    run_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    workflow_id uuid NOT NULL,
    workflow_version integer NOT NULL,
    parent_run_id uuid,
    root_run_id uuid,
    status text NOT NULL,
    trigger_type text,
    event_name text,
    correlation_key text,
    node_path text,
    fence bigint NOT NULL DEFAULT 0,
    input_json jsonb,
    output_json jsonb,
    error_json jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    definition_hash text,
    last_seq bigint NOT NULL DEFAULT 0,
    admitted_at timestamptz,
    scheduled_at timestamptz,
    cancel_requested_at timestamptz,
    cancel_reason text,
    retry_requested_at timestamptz,
    depth integer NOT NULL DEFAULT 0,
    parent_wait_id uuid,
    replay_of_run_id uuid,
    timer_at timestamptz,
    aborted_turns integer NOT NULL DEFAULT 0,
    CONSTRAINT workflow_runs_pkey PRIMARY KEY (tenant, run_id),
    CONSTRAINT workflow_runs_workflow_fkey FOREIGN KEY (tenant, workflow_id)
        REFERENCES workflow_definitions (tenant, workflow_id) ON DELETE CASCADE,
    CONSTRAINT workflow_runs_status_check
        CHECK (status IN ('QUEUED', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELED'))
);

CREATE INDEX workflow_runs_workflow_index ON workflow_runs (tenant, workflow_id, created_at);
CREATE INDEX workflow_runs_parent_index ON workflow_runs (tenant, parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX workflow_runs_active_index ON workflow_runs (tenant, workflow_id)
    WHERE status IN ('QUEUED', 'RUNNING', 'WAITING');

CREATE TABLE workflow_run_steps (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    step_row_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    step_path text NOT NULL,
    step_id text,
    iteration text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 1,
    status text NOT NULL,
    input_json jsonb,
    output_json jsonb,
    error_json jsonb,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    completed_at timestamptz,
    step_type text,
    CONSTRAINT workflow_run_steps_pkey PRIMARY KEY (tenant, step_row_id),
    CONSTRAINT workflow_run_steps_position_key UNIQUE (tenant, run_id, step_path, iteration, attempt),
    CONSTRAINT workflow_run_steps_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_run_steps_status_check
        CHECK (status IN ('STARTED', 'SUCCEEDED', 'FAILED', 'RETRY_SCHEDULED', 'CANCELED'))
);

CREATE TABLE workflow_run_waits (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    wait_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    step_path text NOT NULL,
    wait_type text NOT NULL,
    event_name text,
    correlation_key text,
    filters jsonb,
    due_at timestamptz,
    status text NOT NULL DEFAULT 'WAITING',
    payload_json jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    resolved_at timestamptz,
    iteration text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 1,
    child_run_id uuid,
    consumed_at timestamptz,
    CONSTRAINT workflow_run_waits_pkey PRIMARY KEY (tenant, wait_id),
    CONSTRAINT workflow_run_waits_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_run_waits_type_check CHECK (wait_type IN ('event', 'time', 'human', 'child', 'retry')),
    CONSTRAINT workflow_run_waits_status_check CHECK (status IN ('WAITING', 'RESOLVED', 'TIMED_OUT', 'CANCELED'))
);

CREATE INDEX workflow_run_waits_run_index ON workflow_run_waits (tenant, run_id);
CREATE INDEX workflow_run_waits_event_index ON workflow_run_waits (tenant, event_name, correlation_key)
    WHERE status = 'WAITING';

CREATE TABLE workflow_run_snapshots (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    snapshot_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    step_path text,
    envelope_json jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_run_snapshots_pkey PRIMARY KEY (tenant, snapshot_id),
    CONSTRAINT workflow_run_snapshots_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE
);

CREATE INDEX workflow_run_snapshots_run_index ON workflow_run_snapshots (tenant, run_id, created_at);

CREATE TABLE workflow_run_logs (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    log_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    step_path text,
    level text NOT NULL DEFAULT 'INFO',
    message text NOT NULL,
    context_json jsonb,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_run_logs_pkey PRIMARY KEY (tenant, log_id),
    CONSTRAINT workflow_run_logs_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_run_logs_level_check CHECK (level IN ('DEBUG', 'INFO', 'WARN', 'ERROR'))
);

CREATE INDEX workflow_run_logs_run_index ON workflow_run_logs (tenant, run_id, created_at);

-- The row is inserted before the call, and its key says whether the call was made already (runtime.md, Idempotency).
CREATE TABLE workflow_action_invocations (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    invocation_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    step_path text NOT NULL,
    action_id text NOT NULL,
    action_version integer NOT NULL,
    idempotency_key text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    status text NOT NULL DEFAULT 'STARTED',
    input_json jsonb,
    output_json jsonb,
    error_json jsonb,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    completed_at timestamptz,
    iteration text NOT NULL DEFAULT '',
    fence bigint NOT NULL DEFAULT 0,
    CONSTRAINT workflow_action_invocations_pkey PRIMARY KEY (tenant, invocation_id),
    CONSTRAINT workflow_action_invocations_idempotency_key
        UNIQUE (tenant, action_id, action_version, idempotency_key),
    CONSTRAINT workflow_action_invocations_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_action_invocations_status_check CHECK (status IN ('STARTED', 'SUCCEEDED', 'FAILED'))
);

CREATE INDEX workflow_action_invocations_run_index ON workflow_action_invocations (tenant, run_id);

-- What the runtime adds: a run's history and pinned definition, its inbox, workers, tasks and schedules. A definition's
-- content, a worker and a schedule stand for themselves, without a foreign key: no overwrite of a workflow takes them.

CREATE INDEX workflow_runs_finished_index ON workflow_runs (tenant, workflow_id, completed_at)
    WHERE completed_at IS NOT NULL;

CREATE INDEX workflow_run_waits_due_index ON workflow_run_waits (tenant, due_at)
    WHERE status = 'WAITING' AND due_at IS NOT NULL;
CREATE INDEX workflow_run_waits_inbox_index ON workflow_run_waits (tenant, resolved_at)
    WHERE status IN ('RESOLVED', 'TIMED_OUT') AND consumed_at IS NULL;

CREATE TABLE workflow_definition_contents (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    hash text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_definition_contents_pkey PRIMARY KEY (tenant, hash)
);

-- What happened in a run, in the order in which its interpreter heard it; only the turn that holds the fence writes.
CREATE TABLE workflow_run_history (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    event jsonb NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT workflow_run_history_pkey PRIMARY KEY (tenant, run_id, seq),
    CONSTRAINT workflow_run_history_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE
);

-- Events that were sent to a run before it waited for them.
CREATE TABLE workflow_run_kept_events (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    event_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    run_id uuid NOT NULL,
    event_name text NOT NULL,
    correlation_key text,
    payload_json jsonb,
    sent_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT workflow_run_kept_events_pkey PRIMARY KEY (tenant, event_id),
    CONSTRAINT workflow_run_kept_events_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE
);

CREATE INDEX workflow_run_kept_events_run_index ON workflow_run_kept_events (tenant, run_id, event_name);

-- The inbox of people; the id is that of the wait which an answer resolves.
CREATE TABLE workflow_tasks (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    task_id uuid NOT NULL,
    run_id uuid NOT NULL,
    step_path text NOT NULL,
    task_type text NOT NULL,
    title text NOT NULL,
    description text,
    context_json jsonb,
    status text NOT NULL DEFAULT 'OPEN',
    answer_json jsonb,
    answered_by text,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    completed_at timestamptz,
    CONSTRAINT workflow_tasks_pkey PRIMARY KEY (tenant, task_id),
    CONSTRAINT workflow_tasks_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_tasks_status_check CHECK (status IN ('OPEN', 'COMPLETED', 'CANCELED'))
);

CREATE INDEX workflow_tasks_run_index ON workflow_tasks (tenant, run_id);
CREATE INDEX workflow_tasks_open_index ON workflow_tasks (tenant, created_at) WHERE status = 'OPEN';

-- Who executes. A beat that is too old, by the database's clock, is death, and nobody rises from it under the same id.
CREATE TABLE workflow_workers (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    worker_id uuid NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    concurrency integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT workflow_workers_pkey PRIMARY KEY (tenant, worker_id),
    CONSTRAINT workflow_workers_end_check CHECK (end_reason IN ('stopped', 'declared dead'))
);

CREATE INDEX workflow_workers_living_index ON workflow_workers (tenant, beat_at) WHERE ended_at IS NULL;

CREATE TABLE workflow_schedule_state (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    workflow_id uuid NOT NULL,
    trigger_hash text NOT NULL,
    next_at timestamptz,
    last_due_at timestamptz,
    last_fired_at timestamptz,
    last_run_id uuid,
    last_problem text,
    CONSTRAINT workflow_schedule_state_pkey PRIMARY KEY (tenant, workflow_id)
);

-- Values of secrets, encrypted. The database never has a key: `key_id` only says which one is needed. Names are in the
-- clear; a row that was moved to another name or tenant does not decrypt.
CREATE TABLE workflow_secrets (
    tenant uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    name text NOT NULL,
    key_id text NOT NULL,
    nonce bytea NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT workflow_secrets_pkey PRIMARY KEY (tenant, name)
);
