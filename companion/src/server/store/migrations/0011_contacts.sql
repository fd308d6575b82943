CREATE TABLE contacts (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    -- a user, or a number
    user_id TEXT,
    phone TEXT,
    name TEXT,
    tagged BIGINT NOT NULL DEFAULT 0,
    -- what the contact sees of the owner; none: as their groups, domain or role say
    level TEXT,
    created_ms BIGINT NOT NULL,
    UNIQUE (owner, user_id),
    UNIQUE (owner, phone)
);

CREATE TABLE contact_groups (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    level TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX contact_groups_of_owner ON contact_groups (owner);

CREATE TABLE contact_memberships (
    contact TEXT NOT NULL,
    group_id TEXT NOT NULL,
    PRIMARY KEY (contact, group_id)
);

-- levels of users who are no contacts, and of domains
CREATE TABLE contact_levels (
    owner TEXT NOT NULL,
    -- user or domain
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (owner, kind, target)
);

CREATE TABLE contact_revisions (
    owner TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
