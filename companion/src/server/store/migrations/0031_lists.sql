-- distribution lists of the house
CREATE TABLE lists (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE list_people (
    list TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (list, user_id)
);
