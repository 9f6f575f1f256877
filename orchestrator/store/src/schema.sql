-- Where to look; what happened stands in the journal alone.
CREATE TABLE IF NOT EXISTS incidents (
    id         TEXT PRIMARY KEY,
    target     TEXT NOT NULL,
    family     TEXT NOT NULL,
    state      TEXT NOT NULL,
    -- Takes further alerts of its family.
    takes      INTEGER NOT NULL,
    -- Not closed: the pipeline still has work.
    open       INTEGER NOT NULL,
    opened_at  TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS incidents_open ON incidents (open, opened_at);

CREATE TABLE IF NOT EXISTS episodes (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    starts_at   TEXT NOT NULL,
    incident    TEXT NOT NULL REFERENCES incidents (id),
    PRIMARY KEY (source, fingerprint, starts_at)
) STRICT;

-- The newest change of each alarm that is told by its changes: an older one that comes later is no news.
CREATE TABLE IF NOT EXISTS alarm_changes (
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    PRIMARY KEY (source, fingerprint)
) STRICT;

-- Bodies lie here, their digests in the journal: a body can be erased and the journal still verifies.
CREATE TABLE IF NOT EXISTS evidence (
    incident TEXT NOT NULL REFERENCES incidents (id),
    id       TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (incident, id)
) STRICT;
