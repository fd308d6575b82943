CREATE TABLE events (
    -- the order of all conversations together, for indexes of text
    pos BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    client_id TEXT NOT NULL,
    target BIGINT,
    body TEXT NOT NULL,
    ts BIGINT NOT NULL,
    UNIQUE (conversation, seq),
    UNIQUE (conversation, sender, client_id)
);
CREATE INDEX events_of_target ON events (conversation, target) WHERE target IS NOT NULL;
