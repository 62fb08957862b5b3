-- One text for SQLite and PostgreSQL: whole numbers and texts alone. Times are milliseconds since 1970.

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    seen BIGINT NOT NULL
);

-- What is hashed is the text in `record`; the other columns repeat parts of it, for searching.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    step TEXT NOT NULL,
    call TEXT NOT NULL,
    instance TEXT NOT NULL,
    subject TEXT NOT NULL,
    action TEXT NOT NULL,
    target_user TEXT,
    target_class TEXT,
    request TEXT NOT NULL,
    result TEXT,
    record TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_call ON audit (call);
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX audit_target ON audit (target_user, target_class, seq);
CREATE INDEX audit_request ON audit (request);

-- The end of the chain. Adding a record begins with a change of this row, so that writers queue up at it.
CREATE TABLE audit_head (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (only_one, seq, hash) VALUES (1, 0, '');

-- Calls that were begun and have not ended yet.
CREATE TABLE audit_open (
    call TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    instance TEXT NOT NULL
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    target_user TEXT,
    teams TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX tokens_subject ON tokens (subject, id);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    claim TEXT NOT NULL,
    instance TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    answer TEXT,
    PRIMARY KEY (caller, name)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    target_user TEXT,
    target_class TEXT,
    secret TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The outbox: what a subscriber is still to be told, and what could not be told.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    claim TEXT,
    last_at BIGINT,
    last_said TEXT
);
CREATE INDEX deliveries_due ON deliveries (state, next_at);
CREATE INDEX deliveries_webhook ON deliveries (webhook, id);

-- What was last told of each environment, so that nothing is missed while no manager runs.
CREATE TABLE told (
    target_user TEXT NOT NULL,
    target_class TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (target_user, target_class)
);

CREATE TABLE used (
    day TEXT NOT NULL,
    target_user TEXT NOT NULL,
    target_class TEXT NOT NULL,
    awake_ms BIGINT NOT NULL,
    cpu_core_ms BIGINT NOT NULL,
    memory_mib_ms BIGINT NOT NULL,
    PRIMARY KEY (day, target_user, target_class)
);

-- Up to when the use of an environment is counted: nothing is counted twice.
CREATE TABLE used_until (
    target_user TEXT NOT NULL,
    target_class TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (target_user, target_class)
);
