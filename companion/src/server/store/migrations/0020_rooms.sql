CREATE TABLE rooms (
    conversation TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- the name folded: the directory's order; no two that are not secret are called the same
    name_key TEXT NOT NULL,
    category TEXT NOT NULL,
    topic TEXT NOT NULL,
    description TEXT NOT NULL,
    access TEXT NOT NULL,
    auditorium BIGINT NOT NULL,
    -- name, category, topic and description as words between spaces: the directory's search
    words TEXT NOT NULL
);
CREATE INDEX rooms_by_name ON rooms (name_key, conversation);

-- Who was appointed, or dismissed and may not come back. Whoever joined an open room is in members alone.
CREATE TABLE room_roles (
    conversation TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (conversation, user_id)
);
CREATE INDEX room_roles_of_user ON room_roles (user_id);

CREATE TABLE filters (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON lists
    words TEXT NOT NULL,
    author TEXT,
    rooms TEXT NOT NULL,
    ego BIGINT NOT NULL,
    alert BIGINT NOT NULL
);
CREATE INDEX filters_of_user ON filters (user_id);

CREATE TABLE filter_hits (
    filter TEXT NOT NULL,
    -- of the event
    pos BIGINT NOT NULL,
    PRIMARY KEY (filter, pos)
);
CREATE INDEX filter_hits_by_pos ON filter_hits (pos);

-- How far each follower of the log has got.
CREATE TABLE followers (
    name TEXT PRIMARY KEY,
    pos BIGINT NOT NULL
);

-- Deleted conversations whose log is still to go.
CREATE TABLE doomed (
    conversation TEXT PRIMARY KEY
);
