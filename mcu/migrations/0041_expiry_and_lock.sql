-- When a conference's PINs become wrong, milliseconds since 1970; NULL is never. `locked`: guests stay out, until somebody unlocks or the conference ends.
ALTER TABLE conferences ADD COLUMN host_pin_expires_ms BIGINT;
ALTER TABLE conferences ADD COLUMN guest_pin_expires_ms BIGINT;
ALTER TABLE conferences ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
