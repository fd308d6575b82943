-- what a user has noted for themselves about a conversation (seq 0), a call in it (seq of its beginning) or a call to a phone (seq -1)
CREATE TABLE notes (
    user_id TEXT NOT NULL REFERENCES users (id),
    -- id of the conversation or of the call to a phone
    about TEXT NOT NULL,
    seq BIGINT NOT NULL,
    -- of a call in a conversation
    conference TEXT NOT NULL,
    text TEXT NOT NULL,
    ts BIGINT NOT NULL,
    PRIMARY KEY (user_id, about, seq)
);
CREATE INDEX notes_of_user ON notes (user_id, ts);
CREATE INDEX notes_about ON notes (about, seq);
