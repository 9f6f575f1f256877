CREATE TABLE IF NOT EXISTS contents (
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS requests (
    id TEXT PRIMARY KEY,
    plan_digest TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    due INTEGER,
    opened_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (plan_digest, action)
) STRICT;

CREATE INDEX IF NOT EXISTS requests_due ON requests (due) WHERE due IS NOT NULL;

CREATE INDEX IF NOT EXISTS requests_granted ON requests (json_extract(state, '$.granted.grant'), opened_at)
    WHERE json_extract(state, '$.granted.grant') IS NOT NULL;

CREATE TABLE IF NOT EXISTS executions (
    id TEXT PRIMARY KEY,
    plan_digest TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    progress TEXT NOT NULL,
    due INTEGER,
    queued_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (plan_digest, action)
) STRICT;

CREATE TABLE IF NOT EXISTS grants (
    id TEXT PRIMARY KEY,
    proposed_at INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS marks (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
