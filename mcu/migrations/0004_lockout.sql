-- Wrong PINs, of callers and at the doors of conferences, so that a restart forgives nothing. `subject` of a caller is a keyed hash.
CREATE TABLE lockouts (
    subject TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    closed_until_ms INTEGER NOT NULL,
    closings INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;
