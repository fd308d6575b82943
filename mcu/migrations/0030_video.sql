-- What viewers of a conference get; NULL is the server's configuration.
-- `video`: "off", "switched" or "composite". `max_video_kbps`: what each is sent at most, 0 is as much as lines carry.
ALTER TABLE conferences ADD COLUMN video TEXT;
ALTER TABLE conferences ADD COLUMN max_video_kbps BIGINT;
