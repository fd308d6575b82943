-- Files that people send, and the messages that name them.
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size BIGINT NOT NULL,
    -- 'open' while it comes, 'whole', 'refused' by the scan
    state TEXT NOT NULL,
    -- image/png, image/jpeg, image/webp or image/gif by its bytes, if small enough to be shown
    image TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX files_of_owner ON files (owner);

CREATE TABLE file_shares (
    file TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (file, conversation, seq)
);
CREATE INDEX file_shares_of_message ON file_shares (conversation, seq);

CREATE INDEX events_of_calls ON events (conversation, ts) WHERE kind = 'call';
