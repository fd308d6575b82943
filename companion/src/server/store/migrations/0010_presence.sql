-- What people say of themselves; what devices and the engine say is in memory.
CREATE TABLE presence (
    user_id TEXT PRIMARY KEY,
    choice TEXT,
    -- an administrator's state, by id
    custom TEXT,
    choice_since BIGINT,
    choice_until BIGINT,
    note TEXT,
    -- JSON
    location TEXT,
    oof_since BIGINT,
    oof_until BIGINT,
    oof_text TEXT,
    -- address of an iCalendar
    calendar TEXT,
    -- JSON
    settings TEXT NOT NULL DEFAULT '{}'
);
