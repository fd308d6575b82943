-- calls to phones that somebody made from the companion
CREATE TABLE phone_calls (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    phone TEXT NOT NULL,
    name TEXT NOT NULL,
    ts BIGINT NOT NULL
);
CREATE INDEX phone_calls_of_user ON phone_calls (user_id, ts);
