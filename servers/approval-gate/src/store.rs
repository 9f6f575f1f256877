//! The gate's durable state: every change is an event in the journal and a row in the same transaction.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use approval::Action;
use journal::{Event, Journal, Tx};
use runbooks::{Digest, Timestamp, canonical_json};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::execution::{Execution, OrderEvent};
use crate::grant::{GrantEvent, GrantRecord};
use crate::refusal::Refusal;
use crate::request::{Request, RequestEvent};
use crate::sealed::{Sealed, seal};

/// Requests, executions, contents and marks over one journal.
pub struct Store {
    journal: Journal,
    /// Whether the last change could not be journalled.
    unwritten: AtomicBool,
    /// Wakes whoever follows the state: something was changed.
    pub changed: Notify,
    sealed: Sealed,
}

/// The rows, for reading.
pub struct Rows<'a> {
    sql: &'a Connection,
    sealed: &'a Sealed,
}

/// The rows, for reading and changing, in one transaction with the journal.
pub struct Change<'a, 'tx> {
    tx: &'a Tx<'tx>,
    rows: Rows<'a>,
    /// The sealed values that it has written.
    written: &'a RefCell<Vec<(String, Digest)>>,
}

impl Store {
    /// Makes the tables where there are none, and refuses rows that are not the fold of their journalled events.
    ///
    /// # Errors
    /// When the database fails, or a row was changed behind the journal's back.
    pub fn open(journal: Journal) -> Result<Self, Refusal> {
        journal.migrate(include_str!("schema.sql"))?;
        let store = Self {
            journal,
            unwritten: AtomicBool::new(false),
            changed: Notify::new(),
            sealed: Sealed::default(),
        };
        store.check_rows()?;
        Ok(store)
    }

    /// Reads without waiting for a checkpoint that is just being published.
    pub fn view<T>(&self, f: impl FnOnce(&Rows<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let sealed = &self.sealed;
        self.journal.view(|sql| f(&Rows { sql, sealed }))
    }

    /// Changes rows and journals why, all or nothing; returns when the new checkpoint is out.
    pub fn change<T>(&self, f: impl FnOnce(&Change<'_, '_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let written = RefCell::new(Vec::new());
        let done = self.journal.transact(|tx| {
            f(&Change {
                tx,
                rows: Rows {
                    sql: tx.sql(),
                    sealed: &self.sealed,
                },
                written: &written,
            })
        });
        // What could not be published stands in the rows all the same.
        let is_written = done
            .as_ref()
            .map_or_else(|refusal| refusal.code == "journal_unpublished", |_| true);
        self.sealed.settle(&written.into_inner(), is_written);
        let unwritten = matches!(&done, Err(refusal) if refusal.code.starts_with("journal"));
        self.unwritten.store(unwritten, Ordering::Release);
        self.changed.notify_waiters();
        done
    }

    /// Refuses while the last change could not be journalled: what somebody said may have been lost, a rejection or a
    /// freeze among it.
    pub fn check_writable(&self, gate: &str) -> Result<(), Refusal> {
        if self.unwritten.load(Ordering::Acquire) {
            self.change(|change| change.note("journal_writable_again", gate, json!({})))?;
        }
        Ok(())
    }

    /// The journal's public verifier key.
    pub fn vkey(&self) -> &str {
        self.journal.vkey()
    }

    fn check_rows(&self) -> Result<(), Refusal> {
        let mut requests: BTreeMap<String, Request> = BTreeMap::new();
        let mut executions: BTreeMap<String, Execution> = BTreeMap::new();
        let mut grants: BTreeMap<String, GrantRecord> = BTreeMap::new();
        for entry in self.journal.read(None)? {
            self.sealed.fold(&entry);
            let subject = entry.subject;
            if REQUEST_KINDS.contains(&entry.kind.as_str()) {
                let event: RequestEvent = serde_json::from_value(entry.data)?;
                let next = Request::apply(requests.remove(&subject), event)?;
                requests.insert(subject, next);
            } else if ORDER_KINDS.contains(&entry.kind.as_str()) {
                let event: OrderEvent = serde_json::from_value(entry.data)?;
                let next = Execution::apply(executions.remove(&subject), event)?;
                executions.insert(subject, next);
            } else if GRANT_KINDS.contains(&entry.kind.as_str()) {
                let event: GrantEvent = serde_json::from_value(entry.data)?;
                let next = GrantRecord::apply(grants.remove(&subject), event)?;
                grants.insert(subject, next);
            }
        }
        self.view(|rows| {
            let names = self.sealed.names();
            for (what, folded, sql) in [
                ("request", states(&requests)?, "SELECT id, state FROM requests"),
                ("execution", states(&executions)?, "SELECT id, state FROM executions"),
                ("grant", states(&grants)?, "SELECT id, state FROM grants"),
            ] {
                compare(what, &folded, rows.all(sql)?)?;
                for (id, state) in folded {
                    self.sealed.know(format!("{what} {id}"), Digest::of(state.as_bytes()));
                }
            }
            for name in names {
                rows.mark::<Value>(&name)?;
            }
            rows.marks::<Value>("").map(drop)
        })
    }
}

impl Rows<'_> {
    /// The request with this id.
    pub fn request(&self, id: &str) -> Result<Option<Request>, Refusal> {
        self.row("request", id, "SELECT state FROM requests WHERE id = ?1")
    }

    /// The request for this plan and action.
    pub fn request_for(&self, plan: Digest, action: Action) -> Result<Option<Request>, Refusal> {
        let found: Vec<Request> = self.many(
            "SELECT state FROM requests WHERE plan_digest = ?1 AND action = ?2",
            params![plan.to_string(), action_key(action)?],
        )?;
        let is_it = |request: &Request| request.terms.plan_digest == plan && request.terms.action == action;
        match found.into_iter().next() {
            Some(request) if !is_it(&request) => Err(repointed("request", &request.terms.id)),
            found => Ok(found),
        }
    }

    /// Requests, those that wait first, then the newest; at most `limit`.
    pub fn requests(&self, status: Option<&str>, limit: u32) -> Result<Vec<Request>, Refusal> {
        self.many(
            "SELECT state FROM requests WHERE ?1 IS NULL OR status = ?1
             ORDER BY status <> 'pending', opened_at DESC, id LIMIT ?2",
            params![status, limit],
        )
    }

    /// Requests whose present window has closed by `now`.
    pub fn overdue_requests(&self, now: Timestamp) -> Result<Vec<Request>, Refusal> {
        self.many("SELECT state FROM requests WHERE due <= ?1", params![now.unix()])
    }

    /// Orders that nobody took by `now` and nobody may take any more.
    pub fn overdue_executions(&self, now: Timestamp) -> Result<Vec<Execution>, Refusal> {
        self.many("SELECT state FROM executions WHERE due <= ?1", params![now.unix()])
    }

    /// When the next window closes.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Refusal> {
        let sql = "SELECT min(due) FROM (SELECT due FROM requests UNION ALL SELECT due FROM executions)";
        let due: Option<i64> = self.sql.query_row(sql, [], |row| row.get(0))?;
        Ok(due.map(Timestamp::from_unix))
    }

    /// The execution with this id.
    pub fn execution(&self, id: &str) -> Result<Option<Execution>, Refusal> {
        self.row("execution", id, "SELECT state FROM executions WHERE id = ?1")
    }

    /// The executions of a plan, the newest first.
    pub fn executions_of(&self, plan: Digest) -> Result<Vec<Execution>, Refusal> {
        let found: Vec<Execution> = self.many(
            "SELECT state FROM executions WHERE plan_digest = ?1 ORDER BY queued_at DESC, action DESC",
            params![plan.to_string()],
        )?;
        match found.iter().find(|execution| execution.ordered.plan_digest != plan) {
            Some(execution) => Err(repointed("execution", &execution.ordered.id)),
            None => Ok(found),
        }
    }

    /// Executions that are not over, the oldest first.
    pub fn open_executions(&self) -> Result<Vec<Execution>, Refusal> {
        self.many(
            "SELECT state FROM executions WHERE progress IN ('queued', 'claimed') ORDER BY queued_at, id",
            params![],
        )
    }

    /// How many executions were ordered on a target since then; rollbacks do not count.
    pub fn executions_since(&self, target: &str, since: Timestamp) -> Result<u32, Refusal> {
        Ok(self.sql.query_row(
            "SELECT count(*) FROM executions WHERE target = ?1 AND queued_at > ?2 AND action = ?3",
            params![target, since.unix(), action_key(Action::Execute)?],
            |row| row.get(0),
        )?)
    }

    /// The grant with this id.
    pub fn grant(&self, id: &str) -> Result<Option<GrantRecord>, Refusal> {
        self.row("grant", id, "SELECT state FROM grants WHERE id = ?1")
    }

    /// Grants, the newest first; at most `limit`.
    pub fn grants(&self, limit: u32) -> Result<Vec<GrantRecord>, Refusal> {
        self.many(
            "SELECT state FROM grants ORDER BY proposed_at DESC, id LIMIT ?1",
            params![limit],
        )
    }

    /// Requests that a grant covered, the newest first; at most `limit`.
    pub fn granted_requests(&self, grant: &str, limit: u32) -> Result<Vec<Request>, Refusal> {
        self.many(
            "SELECT state FROM requests WHERE json_extract(state, '$.granted.grant') = ?1
             ORDER BY opened_at DESC, id LIMIT ?2",
            params![grant, limit],
        )
    }

    /// Requests that any grant covered and that were opened since then.
    pub fn granted_since(&self, since: Timestamp) -> Result<Vec<Request>, Refusal> {
        self.many(
            "SELECT state FROM requests WHERE opened_at > ?1 AND json_extract(state, '$.granted.grant') IS NOT NULL",
            params![since.unix()],
        )
    }

    /// How many requests a grant covered since then, whatever became of them; one plan may be left out.
    pub fn grant_uses_since(&self, grant: &str, since: Timestamp, except: Option<Digest>) -> Result<u32, Refusal> {
        let except = except.map(|plan| plan.to_string()).unwrap_or_default();
        Ok(self.sql.query_row(
            "SELECT count(*) FROM requests
             WHERE json_extract(state, '$.granted.grant') = ?1 AND opened_at > ?2 AND plan_digest <> ?3",
            params![grant, since.unix(), except],
            |row| row.get(0),
        )?)
    }

    /// Bytes kept under their digest, checked against it.
    pub fn content(&self, digest: Digest) -> Result<Vec<u8>, Refusal> {
        let body: Option<Vec<u8>> = self
            .sql
            .query_row(
                "SELECT body FROM contents WHERE digest = ?1",
                params![digest.to_string()],
                |row| row.get(0),
            )
            .optional()?;
        match body {
            Some(body) if Digest::of(&body) == digest => Ok(body),
            Some(_) => Err(Refusal::new(
                "content_changed",
                format!("what was kept as `{digest}` was changed"),
            )),
            None => Err(Refusal::new(
                "content_missing",
                format!("what was kept as `{digest}` is gone"),
            )),
        }
    }

    /// JSON kept under its digest.
    pub fn json_content<T: DeserializeOwned>(&self, digest: Digest) -> Result<T, Refusal> {
        Ok(serde_json::from_slice(&self.content(digest)?)?)
    }

    /// A named single value.
    pub fn mark<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let value = self.text("SELECT value FROM marks WHERE name = ?1", params![name])?;
        self.sealed.check(name, value.as_deref())?;
        Ok(value.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// All values whose name begins so, by the rest of their names.
    pub fn marks<T: DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, Refusal> {
        let sql = "SELECT name, value FROM marks WHERE substr(name, 1, length(?1)) = ?1";
        let mut statement = self.sql.prepare_cached(sql)?;
        let named = statement.query_map(params![prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
        named
            .map(|named| {
                let (name, value): (String, String) = named?;
                self.sealed.check(&name, Some(&value))?;
                let rest = name.strip_prefix(prefix).unwrap_or_default().to_owned();
                Ok((rest, serde_json::from_str(&value)?))
            })
            .collect()
    }

    fn row<T: Sealable>(&self, what: &str, id: &str, sql: &str) -> Result<Option<T>, Refusal> {
        let text = self.text(sql, params![id])?;
        self.sealed.check(&format!("{what} {id}"), text.as_deref())?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    fn text(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<String>, Refusal> {
        let mut statement = self.sql.prepare_cached(sql)?;
        Ok(statement.query_row(values, first_text).optional()?)
    }

    fn many<T: Sealable>(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<T>, Refusal> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let texts = statement.query_map(values, first_text)?;
        texts
            .map(|text| {
                let text = text?;
                let value: T = serde_json::from_str(&text)?;
                self.sealed.check(&value.sealed_name(), Some(&text))?;
                Ok(value)
            })
            .collect()
    }

    fn all(&self, sql: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What has a row of its own, and by which name its digest is remembered.
trait Sealable: DeserializeOwned {
    fn sealed_name(&self) -> String;
}

impl Sealable for Request {
    fn sealed_name(&self) -> String {
        format!("request {}", self.terms.id)
    }
}

impl Sealable for Execution {
    fn sealed_name(&self) -> String {
        format!("execution {}", self.ordered.id)
    }
}

impl Sealable for GrantRecord {
    fn sealed_name(&self) -> String {
        format!("grant {}", self.id)
    }
}

fn repointed(what: &str, id: &str) -> Refusal {
    Refusal::new(
        "state_changed",
        format!("the row of {what} `{id}` stands under another plan"),
    )
}

impl<'a> Deref for Change<'a, '_> {
    type Target = Rows<'a>;

    fn deref(&self) -> &Rows<'a> {
        &self.rows
    }
}

impl Change<'_, '_> {
    /// Applies an event to a request, journals it and keeps the new state.
    pub fn request_event(&self, state: Option<Request>, event: RequestEvent) -> Result<Request, Refusal> {
        let (kind, data) = (event.name(), serde_json::to_value(&event)?);
        let request = Request::apply(state, event)?;
        let terms = &request.terms;
        self.note(kind, &terms.id, data)?;
        let state = self.expect(&request)?;
        self.tx.sql().execute(
            "INSERT INTO requests (id, plan_digest, action, status, due, opened_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, due = excluded.due, state = excluded.state",
            params![
                terms.id,
                terms.plan_digest.to_string(),
                action_key(terms.action)?,
                request.status.name(),
                request.due().map(Timestamp::unix),
                terms.opened_at.unix(),
                state,
            ],
        )?;
        Ok(request)
    }

    /// Applies an event to an execution, journals it and keeps the new state.
    pub fn order_event(&self, state: Option<Execution>, event: OrderEvent) -> Result<Execution, Refusal> {
        let (kind, data) = (event.name(), serde_json::to_value(&event)?);
        let execution = Execution::apply(state, event)?;
        let ordered = &execution.ordered;
        self.note(kind, &ordered.id, data)?;
        let state = self.expect(&execution)?;
        self.tx.sql().execute(
            "INSERT INTO executions (id, plan_digest, action, target, progress, due, queued_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET progress = excluded.progress, due = excluded.due, state = excluded.state",
            params![
                ordered.id,
                ordered.plan_digest.to_string(),
                action_key(ordered.action)?,
                ordered.target,
                execution.progress.name(),
                execution.due().map(Timestamp::unix),
                ordered.queued_at.unix(),
                state,
            ],
        )?;
        Ok(execution)
    }

    /// Applies an event to a grant, journals it and keeps the new state.
    pub fn grant_event(&self, state: Option<GrantRecord>, event: GrantEvent) -> Result<GrantRecord, Refusal> {
        let (kind, data) = (event.name(), serde_json::to_value(&event)?);
        let grant = GrantRecord::apply(state, event)?;
        self.note(kind, &grant.id, data)?;
        let state = self.expect(&grant)?;
        self.tx.sql().execute(
            "INSERT INTO grants (id, proposed_at, state) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            params![grant.id, grant.proposed_at.unix(), state],
        )?;
        Ok(grant)
    }

    /// Keeps bytes under their digest.
    pub fn keep(&self, body: &[u8]) -> Result<Digest, Refusal> {
        let digest = Digest::of(body);
        self.tx.sql().execute(
            "INSERT INTO contents (digest, body) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
            params![digest.to_string(), body],
        )?;
        Ok(digest)
    }

    /// Keeps a value's canonical JSON under its digest.
    pub fn keep_json(&self, value: &impl Serialize) -> Result<Digest, Refusal> {
        self.keep(&canonical_json(value)?)
    }

    /// Journals why a value that decides something changes, with the digest of what it becomes, and sets it.
    pub fn set_sealed(
        &self,
        kind: &str,
        subject: &str,
        why: Value,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), Refusal> {
        let digest = Digest::of(to_state(value)?.as_bytes());
        let mut why = why;
        if let Some(why) = why.as_object_mut() {
            why.insert("sealed".to_owned(), seal(name, digest));
        }
        self.note(kind, subject, why)?;
        self.will_be(name.to_owned(), digest);
        self.set_mark(name, value)
    }

    fn expect<T: Sealable + Serialize>(&self, value: &T) -> Result<String, Refusal> {
        let state = to_state(value)?;
        self.will_be(value.sealed_name(), Digest::of(state.as_bytes()));
        Ok(state)
    }

    fn will_be(&self, name: String, digest: Digest) {
        self.sealed.expect(&name, digest);
        self.written.borrow_mut().push((name, digest));
    }

    /// Sets a named single value that decides nothing; the caller journals why.
    pub fn set_mark(&self, name: &str, value: &impl Serialize) -> Result<(), Refusal> {
        self.tx.sql().execute(
            "INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, to_state(value)?],
        )?;
        Ok(())
    }

    /// Removes a named single value.
    pub fn drop_mark(&self, name: &str) -> Result<(), Refusal> {
        self.tx
            .sql()
            .execute("DELETE FROM marks WHERE name = ?1", params![name])?;
        Ok(())
    }

    /// Journals what changes no request and no execution.
    pub fn note(&self, kind: &str, subject: &str, data: Value) -> Result<(), Refusal> {
        self.tx.append(Event {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data,
        })?;
        Ok(())
    }
}

const REQUEST_KINDS: &[&str] = &[
    "request_opened",
    "request_approved",
    "request_rejected",
    "request_expired",
    "request_used",
    "request_granted",
    "request_grant_ended",
    "request_struck",
];
const GRANT_KINDS: &[&str] = &["grant_proposed", "grant_signed", "grant_revoked"];
const ORDER_KINDS: &[&str] = &[
    "order_queued",
    "order_claimed",
    "execution_reported",
    "order_lapsed",
    "order_withdrawn",
];

fn states<T: Serialize>(folded: &BTreeMap<String, T>) -> Result<BTreeMap<String, String>, Refusal> {
    let states = folded.iter().map(|(id, state)| Ok((id.clone(), to_state(state)?)));
    states.collect()
}

fn compare(what: &str, folded: &BTreeMap<String, String>, mut rows: BTreeMap<String, String>) -> Result<(), Refusal> {
    let changed = |id: &str| {
        Refusal::new(
            "state_changed",
            format!("the row of {what} `{id}` is not what the journal says"),
        )
        .with(json!({"id": id}))
    };
    for (id, state) in folded {
        if rows.remove(id).as_ref() != Some(state) {
            return Err(changed(id));
        }
    }
    rows.keys().next().map_or(Ok(()), |id| Err(changed(id)))
}

fn first_text(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

/// `execute` or `rollback`, as the statement spells it.
fn action_key(action: Action) -> Result<String, Refusal> {
    Ok(serde_json::to_value(action)?.as_str().unwrap_or_default().to_owned())
}

fn to_state(value: &impl Serialize) -> Result<String, Refusal> {
    Ok(String::from_utf8_lossy(&canonical_json(value)?).into_owned())
}
