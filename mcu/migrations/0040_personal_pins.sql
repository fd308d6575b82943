-- PINs of one person in one conference. `hash`: an argon2id string under a salt of the conference, so that one hash finds whose a PIN is.
-- `passing`: of somebody who is known by their place in the conference alone; gone with it. `expires_ms`: NULL is never.
CREATE TABLE personal_pins (
    id TEXT PRIMARY KEY NOT NULL,
    conference TEXT NOT NULL REFERENCES conferences (id) ON DELETE CASCADE,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    host BOOLEAN NOT NULL,
    hash TEXT NOT NULL,
    passing BOOLEAN NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    UNIQUE (conference, user),
    UNIQUE (conference, hash)
);
