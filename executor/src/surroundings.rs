//! What stands around a plan: noted before its first step and compared once the signal holds, so that a symptom that went
//! away together with something else is no recovery. The comparison is pure.

use std::collections::{BTreeMap, BTreeSet};

use runbooks::{Digest, PlanDocument};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::executor::Executor;
use crate::halt::Fault;
use crate::preflight::Trace;
use crate::target::{Target, TargetError};

pub(crate) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS executor_surroundings (
    plan_digest TEXT PRIMARY KEY,
    noted TEXT NOT NULL
) STRICT;";

/// Roles, settings, slots, tables and indexes of one moment, by kind and name, and how many sessions were ended by force so
/// far. Of what a thing is there is a digest alone: settings hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Surroundings {
    things: BTreeMap<String, Thing>,
    /// Whether tables and indexes are among them: of very many they are not.
    relations: bool,
    killed: i64,
    /// Counters that were reset cannot be compared.
    counted_since: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    digest: String,
    /// The table of an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part_of: Option<String>,
}

/// What the journal keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// How many roles, settings, slots, tables and indexes.
    pub things: usize,
    /// Whether tables and indexes are among them.
    pub relations: bool,
    /// Of the whole, which lies beside the journal until the execution ends.
    pub digest: Digest,
}

/// What a plan may leave changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    things: BTreeSet<String>,
    /// How many sessions its steps ended; `None` where that is not known.
    ended: Option<u64>,
}

impl Surroundings {
    /// Looks at the target as it is now.
    pub(crate) async fn ask(target: &Target<'_>) -> Result<Self, TargetError> {
        let mut things = BTreeMap::new();
        let rows = target.rows(THINGS, &[]).await?;
        let relations = rows.len() <= MAX_THINGS;
        for row in rows.iter().take(MAX_THINGS) {
            let kind: String = get(row, 0)?;
            if relations || !["table", "index"].contains(&kind.as_str()) {
                let thing = Thing {
                    part_of: get(row, 2)?,
                    digest: get(row, 3)?,
                };
                things.insert(key(&kind, &get::<String>(row, 1)?), thing);
            }
        }
        if !relations {
            tracing::warn!(limit = MAX_THINGS, "too many relations: they are not compared");
        }
        let rows = target.rows(KILLED, &[]).await?;
        let row = rows.first().ok_or_else(|| TargetError::Answer("no row".to_owned()))?;
        Ok(Self {
            things,
            relations,
            killed: get(row, 0)?,
            counted_since: get(row, 1)?,
        })
    }

    /// Keeps it beside the journal, where it outlives a crash, and returns what the journal is told of it.
    pub(crate) fn keep(&self, executor: &Executor, plan: &Digest) -> Result<Noted, Fault> {
        let text = serde_json::to_string(self).unwrap_or_default();
        executor.journal().transact(|tx| {
            tx.sql().execute(
                "INSERT OR REPLACE INTO executor_surroundings (plan_digest, noted) VALUES (?1, ?2)",
                (plan.to_string(), &text),
            )?;
            Ok::<(), Fault>(())
        })?;
        Ok(Noted {
            things: self.things.len(),
            relations: self.relations,
            digest: Digest::of(text.as_bytes()),
        })
    }

    /// Returns what was kept, if it is still what the journal was told of.
    pub(crate) fn kept(executor: &Executor, plan: &Digest, noted: &Noted) -> Result<Option<Self>, Fault> {
        let text: Option<String> = executor.journal().view(|sql| {
            let mut statement = sql.prepare_cached("SELECT noted FROM executor_surroundings WHERE plan_digest = ?1")?;
            Ok::<_, Fault>(statement.query_row([plan.to_string()], |row| row.get(0)).optional()?)
        })?;
        Ok(text
            .filter(|text| Digest::of(text.as_bytes()) == noted.digest)
            .and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Returns what was harmed meanwhile, beyond what is allowed; at most a few, for people. Roles, slots and relations that
    /// are new harm nobody; a table that is gone took its indexes along, and partitions come and go.
    pub(crate) fn harm(&self, after: &Self, allowed: &Allowed) -> Vec<String> {
        let mut harm = Vec::new();
        for (key, thing) in &self.things {
            let what = match after.things.get(key) {
                Some(now) if now.digest == thing.digest => continue,
                Some(_) => "changed",
                None if !after.relations && is_relation(key) => continue,
                None if is_gone_with_its_table(key, thing, after) => continue,
                None => "is gone",
            };
            if !allowed.things.contains(key) {
                harm.push(format!("{} {what}", said(key)));
            }
        }
        for key in after.things.keys().filter(|key| is_setting(key)) {
            if !self.things.contains_key(key) && !allowed.things.contains(key) {
                harm.push(format!("{} is new", said(key)));
            }
        }
        harm.extend(self.ended_beyond(after, allowed.ended));
        harm.truncate(MAX_TOLD);
        harm
    }

    fn ended_beyond(&self, after: &Self, ended: Option<u64>) -> Option<String> {
        if self.counted_since != after.counted_since {
            return None;
        }
        let killed = u64::try_from(after.killed.checked_sub(self.killed)?).ok()?;
        let beyond = killed.checked_sub(ended?).filter(|beyond| *beyond > 0)?;
        Some(format!(
            "{beyond} more sessions were ended by force than the plan's steps say"
        ))
    }
}

impl Allowed {
    /// Reads off the plan's statements what they leave. `rows`: of each step that is done, how many rows it met; `None`
    /// where another attempt, or nobody, saw its end.
    pub(crate) fn by(plan: &PlanDocument, rows: &BTreeMap<String, Option<u64>>) -> Self {
        let mut allowed = Self {
            things: BTreeSet::new(),
            ended: Some(0),
        };
        for step in &plan.steps {
            let Some(action) = step.action.sql() else {
                continue;
            };
            match Trace::of(&action.statement) {
                Some(Trace::Limit { role }) => allowed.insert("limit", &role),
                Some(Trace::Setting { role, setting }) => allowed.insert("role_setting", &format!("{role} {setting}")),
                Some(Trace::Index { schema, index }) => allowed.insert("index", &format!("{schema}.{index}")),
                Some(Trace::Slot { slot }) => allowed.insert("slot", &slot),
                Some(Trace::Sessions) => {
                    let met = rows.get(&step.id).copied().flatten();
                    allowed.ended = allowed.ended.zip(met).map(|(sum, met)| sum.saturating_add(met));
                }
                None => {}
            }
        }
        // Sessions of an attempt that nobody saw the end of may have been fenced off, and those count as well.
        if rows.values().any(Option::is_none) {
            allowed.ended = None;
        }
        allowed
    }

    fn insert(&mut self, kind: &str, name: &str) {
        self.things.insert(key(kind, name));
    }
}

fn key(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}

/// The key in words: `role setting `app work_mem``.
fn said(key: &str) -> String {
    let (kind, name) = key.split_once(' ').unwrap_or((key, ""));
    let kind = match kind {
        "limit" => "the CONNECTION LIMIT of role",
        "role_setting" => "role setting",
        kind => kind,
    };
    format!("{kind} `{name}`")
}

fn is_setting(key: &str) -> bool {
    key.starts_with("setting ") || key.starts_with("role_setting ")
}

fn is_relation(key: &str) -> bool {
    key.starts_with("table ") || key.starts_with("index ")
}

fn is_gone_with_its_table(key: &str, thing: &Thing, after: &Surroundings) -> bool {
    let gone = |table: &str| !after.things.contains_key(&self::key("table", table));
    key.starts_with("table ") || thing.part_of.as_deref().is_some_and(gone)
}

fn get<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, TargetError> {
    row.try_get(at).map_err(|error| TargetError::Answer(error.to_string()))
}

/// One more is asked for, to know that there are more.
const MAX_THINGS: usize = 5000;
const MAX_TOLD: usize = 5;
const THINGS: &str = include_str!("queries/surroundings.sql");
const KILLED: &str = include_str!("queries/sessions_killed.sql");

#[cfg(test)]
mod tests {
    use super::*;

    fn of(things: &[(&str, &str)]) -> Surroundings {
        let things = things.iter().map(|(key, digest)| {
            let part_of = key.strip_prefix("index s.i_").map(|table| format!("s.{table}"));
            let digest = (*digest).to_owned();
            ((*key).to_owned(), Thing { digest, part_of })
        });
        Surroundings {
            things: things.collect(),
            relations: true,
            killed: 10,
            counted_since: String::new(),
        }
    }

    fn around() -> Surroundings {
        of(&[
            ("role app", "1"),
            ("limit app", "2"),
            ("limit batch", "2"),
            ("role_setting app work_mem", "3"),
            ("setting port", "4"),
            ("slot standby", "5"),
            ("table s.t", "6"),
            ("index s.i_t", "7"),
        ])
    }

    fn allowed(things: &[&str]) -> Allowed {
        Allowed {
            things: things.iter().map(|&key| key.to_owned()).collect(),
            ended: Some(0),
        }
    }

    fn without(key: &str) -> Surroundings {
        let mut after = around();
        after.things.remove(key);
        after
    }

    fn with(key: &str) -> Surroundings {
        let mut after = around();
        after.things.extend(of(&[(key, "9")]).things);
        after
    }

    #[test]
    fn what_changes_or_goes_beyond_the_plan_is_harm() {
        let nothing = allowed(&[]);
        assert_eq!(around().harm(&around(), &nothing), Vec::<String>::new());
        for key in around().things.keys() {
            assert_eq!(around().harm(&with(key), &nothing), [format!("{} changed", said(key))]);
            assert_eq!(around().harm(&with(key), &allowed(&[key])), Vec::<String>::new());
            if key != "table s.t" {
                assert_eq!(
                    around().harm(&without(key), &nothing),
                    [format!("{} is gone", said(key))]
                );
            }
        }
    }

    #[test]
    fn a_new_setting_is_harm_and_a_new_role_or_relation_is_not() {
        let nothing = allowed(&[]);
        for key in ["role new", "limit new", "slot new", "table s.new", "index s.i_new"] {
            assert_eq!(around().harm(&with(key), &nothing), Vec::<String>::new(), "{key}");
        }
        for key in ["setting work_mem", "role_setting * work_mem"] {
            assert_eq!(around().harm(&with(key), &nothing), [format!("{} is new", said(key))]);
        }
    }

    #[test]
    fn a_table_that_is_gone_takes_its_indexes_along() {
        let mut after = without("table s.t");
        after.things.remove("index s.i_t");
        assert_eq!(around().harm(&after, &allowed(&[])), Vec::<String>::new());
    }

    #[test]
    fn sessions_are_counted_where_they_can_be() {
        let mut after = around();
        after.killed = 13;
        let mut plan = allowed(&[]);
        plan.ended = Some(3);
        assert_eq!(around().harm(&after, &plan), Vec::<String>::new());
        plan.ended = Some(1);
        assert_eq!(
            around().harm(&after, &plan),
            ["2 more sessions were ended by force than the plan's steps say"]
        );
        plan.ended = None;
        assert_eq!(around().harm(&after, &plan), Vec::<String>::new());
        plan.ended = Some(1);
        after.counted_since = "later".to_owned();
        assert_eq!(around().harm(&after, &plan), Vec::<String>::new());
    }
}
