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
