-- Made to call somebody: while no more than two are in it, presence calls it a call.
ALTER TABLE conferences ADD COLUMN is_call BOOLEAN NOT NULL DEFAULT FALSE;
