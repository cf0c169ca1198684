-- What the runtime adds: a run's history and pinned definition, its inbox, workers, tasks and schedules. A definition's
-- content, a worker and a schedule stand for themselves, without a foreign key: no overwrite of a workflow takes them.

ALTER TABLE workflow_runs
    ADD COLUMN definition_hash text,
    ADD COLUMN last_seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN admitted_at timestamptz,
    ADD COLUMN scheduled_at timestamptz,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancel_reason text,
    ADD COLUMN retry_requested_at timestamptz,
    ADD COLUMN depth integer NOT NULL DEFAULT 0,
    ADD COLUMN parent_wait_id uuid,
    ADD COLUMN replay_of_run_id uuid,
    ADD COLUMN timer_at timestamptz,
    ADD COLUMN aborted_turns integer NOT NULL DEFAULT 0;

CREATE INDEX workflow_runs_finished_index ON workflow_runs (tenant, workflow_id, completed_at)
    WHERE completed_at IS NOT NULL;

ALTER TABLE workflow_run_steps
    ADD COLUMN step_type text;

ALTER TABLE workflow_run_waits
    ADD COLUMN iteration text NOT NULL DEFAULT '',
    ADD COLUMN attempt integer NOT NULL DEFAULT 1,
    ADD COLUMN child_run_id uuid,
    ADD COLUMN consumed_at timestamptz;

CREATE INDEX workflow_run_waits_due_index ON workflow_run_waits (tenant, due_at)
    WHERE status = 'WAITING' AND due_at IS NOT NULL;
CREATE INDEX workflow_run_waits_inbox_index ON workflow_run_waits (tenant, resolved_at)
    WHERE status IN ('RESOLVED', 'TIMED_OUT') AND consumed_at IS NULL;

ALTER TABLE workflow_action_invocations
    ADD COLUMN iteration text NOT NULL DEFAULT '',
    ADD COLUMN fence bigint NOT NULL DEFAULT 0;

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
