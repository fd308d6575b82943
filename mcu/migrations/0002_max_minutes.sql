-- Minutes that a conference may last, from its first participant on: 0 is no limit, NULL is the server's configuration.
ALTER TABLE conferences ADD COLUMN max_minutes BIGINT;
