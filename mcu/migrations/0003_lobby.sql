-- Manners of a conference; NULL is the server's configuration.
-- `lobby`: "off" or "guests", who wait until a host admits them. `end_with_leader_seconds`: 0 is never.
ALTER TABLE conferences ADD COLUMN lobby TEXT;
ALTER TABLE conferences ADD COLUMN wait_for_leader BOOLEAN;
ALTER TABLE conferences ADD COLUMN end_with_leader_seconds BIGINT;
