//! What the target says about the executor's role and about what a statement touches. It judges nothing.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::locks::Lock;
use super::look::Look;
use super::need::{Name, Need, Right};
use crate::target::TargetError;

/// The role that this session has, and where its marker is.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) version: i32,
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) createrole: bool,
    pub(super) replication: bool,
    /// It may call the functions that signal.
    pub(super) signals: bool,
    pub(super) sees_sessions: bool,
    pub(super) marker: u32,
    pub(super) marks: bool,
    pub(super) roles_table: u32,
    pub(super) role_settings_table: u32,
}

/// What a need is about, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Sessions(Sessions),
    Role {
        role: Option<Role>,
        setting: Setting,
    },
    Relation(Option<Relation>),
    /// The role's own attributes say all.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sessions {
    /// Those that the functions that signal leave alone.
    pub(super) spared: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) superuser: bool,
    pub(super) replication: bool,
    pub(super) admin: bool,
    pub(super) itself: bool,
}

/// Whether this role may set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Unasked,
    Missing,
    Free,
    Granted,
    ForSuperusers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// The table's, where an index was named.
    pub(super) oid: u32,
    pub(super) owner: String,
    pub(super) owns: bool,
    pub(super) owns_database: bool,
    pub(super) owns_schema: bool,
    pub(super) reaches: bool,
    /// From PostgreSQL 17; before, there is no such right.
    pub(super) maintains: bool,
}

/// Who holds a lock, or waits for one, that a step would wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// None for a prepared transaction.
    pub(super) pid: Option<i32>,
    pub(super) role: String,
    pub(super) application: String,
    pub(super) kind: String,
    pub(super) mode: String,
    pub(super) granted: bool,
    pub(super) age_s: Option<i64>,
}

impl Me {
    pub(super) async fn ask(look: &Look<'_>) -> Result<Self, TargetError> {
        let rows = look.rows(ROLE, &[]).await?;
        let row = one(&rows).ok_or_else(|| TargetError::Answer("no row".to_owned()))?;
        Ok(Self {
            version: get(row, 0)?,
            name: get(row, 1)?,
            superuser: get(row, 2)?,
            createrole: get(row, 3)?,
            replication: get(row, 4)?,
            signals: get(row, 5)?,
            sees_sessions: get(row, 6)?,
            marker: get(row, 7)?,
            marks: get(row, 8)?,
            roles_table: get(row, 9)?,
            role_settings_table: get(row, 10)?,
        })
    }
}

impl Subject {
    pub(super) async fn ask(look: &Look<'_>, need: &Need, me: &Me) -> Result<Self, TargetError> {
        Ok(match need {
            Need::Signal { pid, role } => Self::Sessions(Sessions::ask(look, *pid, role.as_deref()).await?),
            Need::AlterRole { role, setting } => Self::Role {
                role: Role::ask(look, role).await?,
                setting: match setting {
                    Some(setting) => Setting::ask(look, setting, me).await?,
                    None => Setting::Unasked,
                },
            },
            Need::Relation { name, right, .. } => Self::Relation(Relation::ask(look, name, *right, me).await?),
            Need::DropSlot | Need::Unknown => Self::Nothing,
        })
    }
}

impl Sessions {
    async fn ask(look: &Look<'_>, pid: Option<i32>, role: Option<&str>) -> Result<Self, TargetError> {
        // The pid says more; the role beside it is only a guard.
        let role = role.filter(|_| pid.is_none());
        let rows = look.rows(VICTIMS, &[(&pid, Type::INT4), (&role, Type::TEXT)]).await?;
        let row = one(&rows).ok_or_else(|| TargetError::Answer("no row".to_owned()))?;
        Ok(Self { spared: get(row, 0)? })
    }
}

impl Role {
    async fn ask(look: &Look<'_>, role: &str) -> Result<Option<Self>, TargetError> {
        let rows = look.rows(OTHER_ROLE, &[(&role, Type::TEXT)]).await?;
        one(&rows)
            .map(|row| {
                Ok(Self {
                    superuser: get(row, 0)?,
                    replication: get(row, 1)?,
                    admin: get(row, 2)?,
                    itself: get(row, 3)?,
                })
            })
            .transpose()
    }
}

impl Setting {
    pub(super) async fn ask(look: &Look<'_>, setting: &str, me: &Me) -> Result<Self, TargetError> {
        let rows = look.rows(SETTING, &[(&setting, Type::TEXT)]).await?;
        let Some(row) = one(&rows) else {
            return Ok(Self::Missing);
        };
        if get(row, 0)? {
            return Ok(Self::Free);
        }
        if me.version < 150_000 {
            return Ok(Self::ForSuperusers);
        }
        let rows = look.rows(SET_PARAMETER, &[(&setting, Type::TEXT)]).await?;
        let granted = one(&rows).map(|row| get(row, 0)).transpose()?;
        Ok(if granted == Some(true) {
            Self::Granted
        } else {
            Self::ForSuperusers
        })
    }
}

impl Relation {
    async fn ask(look: &Look<'_>, name: &Name, right: Right, me: &Me) -> Result<Option<Self>, TargetError> {
        let parameters = [(&name.schema as _, Type::TEXT), (&name.relation as _, Type::TEXT)];
        let rows = look.rows(RELATION, &parameters).await?;
        let Some(row) = one(&rows) else {
            return Ok(None);
        };
        let oid: u32 = get(row, 0)?;
        let maintains = match right {
            Right::Vacuum | Right::Reindex if me.version >= 170_000 => {
                let rows = look.rows(MAINTAIN, &[(&oid, Type::OID)]).await?;
                one(&rows).map(|row| get(row, 0)).transpose()?.unwrap_or(false)
            }
            Right::Vacuum | Right::Reindex | Right::Drop => false,
        };
        Ok(Some(Self {
            oid,
            owner: get(row, 1)?,
            owns: get(row, 2)?,
            owns_database: get(row, 3)?,
            owns_schema: get(row, 4)?,
            reaches: get(row, 5)?,
            maintains,
        }))
    }
}

impl Holder {
    /// Those whose transaction is older already than the step would wait: at most ten, the oldest first.
    pub(super) async fn ask(
        look: &Look<'_>,
        relation: u32,
        lock: &Lock,
        lock_timeout_ms: u32,
    ) -> Result<Vec<Self>, TargetError> {
        let waited_ms = f64::from(lock_timeout_ms);
        let rows = look
            .rows(
                HOLDERS,
                &[
                    (&relation, Type::OID),
                    (&lock.waits_for, Type::TEXT_ARRAY),
                    (&waited_ms, Type::FLOAT8),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Self {
                    pid: get(row, 0)?,
                    role: get(row, 1)?,
                    application: get(row, 2)?,
                    kind: get(row, 3)?,
                    mode: get(row, 4)?,
                    granted: get(row, 5)?,
                    age_s: get(row, 6)?,
                })
            })
            .collect()
    }
}

fn one(rows: &[Row]) -> Option<&Row> {
    rows.first()
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, TargetError> {
    row.try_get(column)
        .map_err(|error| TargetError::Answer(error.to_string()))
}

const ROLE: &str = include_str!("../queries/preflight_role.sql");
const VICTIMS: &str = include_str!("../queries/preflight_victims.sql");
const OTHER_ROLE: &str = include_str!("../queries/preflight_other_role.sql");
const SETTING: &str = include_str!("../queries/preflight_setting.sql");
const SET_PARAMETER: &str = include_str!("../queries/preflight_set_parameter.sql");
const RELATION: &str = include_str!("../queries/preflight_relation.sql");
const MAINTAIN: &str = include_str!("../queries/preflight_maintain.sql");
const HOLDERS: &str = include_str!("../queries/preflight_holders.sql");
