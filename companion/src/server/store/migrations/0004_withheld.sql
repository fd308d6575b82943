-- Of a direct conversation whose other one this member has blocked: nothing of it reaches the member while that lasts.
ALTER TABLE members ADD COLUMN withheld BIGINT NOT NULL DEFAULT 0;

-- Who reads what: a user's own memberships are asked for here, who else is in a conversation in members.
CREATE VIEW readers AS SELECT conversation, user_id, from_seq, read_seq, delivered_seq, notify, joined_ms FROM members WHERE withheld = 0;
