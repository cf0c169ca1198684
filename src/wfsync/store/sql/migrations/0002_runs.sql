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
    CONSTRAINT workflow_action_invocations_pkey PRIMARY KEY (tenant, invocation_id),
    CONSTRAINT workflow_action_invocations_idempotency_key
        UNIQUE (tenant, action_id, action_version, idempotency_key),
    CONSTRAINT workflow_action_invocations_run_fkey FOREIGN KEY (tenant, run_id)
        REFERENCES workflow_runs (tenant, run_id) ON DELETE CASCADE,
    CONSTRAINT workflow_action_invocations_status_check CHECK (status IN ('STARTED', 'SUCCEEDED', 'FAILED'))
);

CREATE INDEX workflow_action_invocations_run_index ON workflow_action_invocations (tenant, run_id);
