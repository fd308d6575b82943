-- ULID keys as TEXT, moments as milliseconds since 1970; PINs only as argon2id strings.
CREATE TABLE conferences (
    id TEXT PRIMARY KEY NOT NULL,
    number TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    host_pin TEXT,
    guest_pin TEXT,
    created_ms BIGINT NOT NULL
);
