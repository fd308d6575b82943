CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT,
    company TEXT,
    email TEXT,
    work_phone TEXT,
    mobile TEXT,
    home_phone TEXT,
    role TEXT NOT NULL,
    -- argon2id; none for guests and services
    password TEXT,
    disabled BIGINT NOT NULL DEFAULT 0,
    -- guests: the one conversation that they are in
    guest_of TEXT,
    created_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of the cookie
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE service_tokens (
    -- SHA-256 of the token
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE invites (
    -- SHA-256 of the link's secret
    hash TEXT PRIMARY KEY,
    conversation TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    -- of a direct one: both ids in order, so that there is one
    pair TEXT UNIQUE,
    -- the conference that was last made of it
    conference TEXT,
    created_by TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE members (
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- sees events after this one
    from_seq BIGINT NOT NULL DEFAULT 0,
    joined_ms BIGINT NOT NULL,
    delivered_seq BIGINT NOT NULL DEFAULT 0,
    read_seq BIGINT NOT NULL DEFAULT 0,
    notify TEXT NOT NULL DEFAULT 'all',
    PRIMARY KEY (conversation, user_id)
);
CREATE INDEX members_of_user ON members (user_id);

CREATE TABLE mentions (
    conversation TEXT NOT NULL,
    seq BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (user_id, conversation, seq)
);
