//! Whether the executor's role may do what a step needs, from facts alone. The rules are those of PostgreSQL's source:
//! `AlterRole` and `AlterRoleSet` in user.c, `vacuum_is_permitted_for_relation` in
//! vacuum.c, `RangeVarCallbackForReindexIndex` in indexcmds.c, `RangeVarCallbackForDropRelation` in tablecmds.c,
//! `CheckSlotPermissions` in slot.c.

use super::facts::{Holder, Me, Relation, Role, Sessions, Setting, Subject};
use super::locks::Lock;
use super::need::{Need, Right};
use super::report::Finding;

/// What stands against a step, or `None`. `step` names it for people.
pub(super) fn privilege(step: &str, need: &Need, me: &Me, subject: &Subject) -> Option<Finding> {
    let lacks = match (need, subject) {
        (Need::Signal { .. }, Subject::Sessions(sessions)) => signal(me, *sessions),
        (
            Need::AlterRole { role, setting },
            Subject::Role {
                role: found,
                setting: may,
            },
        ) => match found {
            None => return Some(missing(step, &format!("role `{role}`"))),
            Some(other) => alter_role(me, role, *other).or_else(|| set(me, setting.as_deref(), *may)),
        },
        (Need::Relation { name, right, .. }, Subject::Relation(found)) => match found {
            None => return Some(missing(step, &format!("relation `{}.{}`", name.schema, name.relation))),
            Some(relation) => work_on(me, *right, relation),
        },
        (Need::DropSlot, _) => (!(me.superuser || me.replication)).then(|| "REPLICATION".to_owned()),
        (Need::Unknown, _) => {
            let message = format!("{step}: what its statement needs is not known here, and was not checked");
            return Some(Finding::warns("privilege_unknown", message));
        }
        (Need::Signal { .. } | Need::AlterRole { .. } | Need::Relation { .. }, _) => Some("facts about it".to_owned()),
    };
    lacks.map(|what| Finding::blocks("missing_privilege", format!("{step}: role `{}` lacks {what}", me.name)))
}

/// Every step writes its marker first.
pub(super) fn marker(me: &Me) -> Option<Finding> {
    let message = format!(
        "role `{}` lacks SELECT or INSERT on `countersign.executed_steps`",
        me.name
    );
    (!me.marks).then(|| Finding::blocks("missing_privilege", message))
}

/// Who would keep a step waiting until its lock_timeout.
pub(super) fn lock(step: &str, lock: &Lock, on: &str, lock_timeout_ms: u32, holders: &[Holder]) -> Option<Finding> {
    let first = holders.first()?;
    let who = match first.pid {
        Some(pid) => format!("{} {pid} (`{}`, `{}`)", first.kind, first.role, first.application),
        None => "a prepared transaction".to_owned(),
    };
    let what = if first.granted { "holds" } else { "waits for" };
    let age = first
        .age_s
        .map(|age| format!(", its transaction {age} s old"))
        .unwrap_or_default();
    let others = match holders.len() {
        1 => String::new(),
        more => format!(", and {} more", more - 1),
    };
    Some(Finding::warns(
        "lock_wait",
        format!(
            "{step}: takes {} on {on} and waits at most {lock_timeout_ms} ms for it: {who} {what} {}{age}{others}",
            lock.mode, first.mode
        ),
    ))
}

fn signal(me: &Me, sessions: Sessions) -> Option<String> {
    if !me.signals {
        return Some(
            "EXECUTE on countersign.terminate_backend and countersign.cancel_backend: to signal sessions of other roles"
                .to_owned(),
        );
    }
    if sessions.spared > 0 {
        return Some(
            "a way to what it would signal: its role is a superuser, may replicate or may signal others, or it is no client's \
             session"
                .to_owned(),
        );
    }
    // Of sessions that are not there, the precheck tells.
    (!me.sees_sessions).then(|| "pg_read_all_stats: without it the guard matches nothing".to_owned())
}

fn alter_role(me: &Me, role: &str, other: Role) -> Option<String> {
    if me.superuser {
        return None;
    }
    if other.superuser {
        return Some(format!("SUPERUSER: `{role}` is a superuser"));
    }
    if me.version < 160_000 && other.replication {
        return Some(format!("SUPERUSER: `{role}` may replicate"));
    }
    if !me.createrole {
        return Some(format!("CREATEROLE: to alter role `{role}`"));
    }
    (me.version >= 160_000 && !other.admin && !other.itself).then(|| format!("ADMIN OPTION on role `{role}`"))
}

fn set(me: &Me, setting: Option<&str>, may: Setting) -> Option<String> {
    let setting = setting?;
    match may {
        Setting::Unasked | Setting::Free | Setting::Granted => None,
        Setting::ForSuperusers if me.superuser => None,
        Setting::ForSuperusers => Some(format!("SET on the parameter `{setting}`")),
        Setting::Missing => Some(format!("the parameter `{setting}`, which this server does not have")),
    }
}

fn work_on(me: &Me, right: Right, relation: &Relation) -> Option<String> {
    if me.superuser {
        return None;
    }
    if !relation.reaches {
        return Some("USAGE on the schema".to_owned());
    }
    let (may, what) = match right {
        Right::Vacuum => (
            relation.owns || relation.owns_database || relation.maintains,
            "or MAINTAIN from PostgreSQL 17; the server would skip the table and report success",
        ),
        Right::Reindex => (relation.owns || relation.maintains, "or MAINTAIN from PostgreSQL 17"),
        Right::Drop => (relation.owns || relation.owns_schema, "the table's owner"),
    };
    (!may).then(|| format!("membership in `{}`, {what}", relation.owner))
}

fn missing(step: &str, what: &str) -> Finding {
    Finding::blocks("object_missing", format!("{step}: there is no {what} here"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::preflight::locks;
    use crate::preflight::report::Severity;

    fn me() -> Me {
        Me {
            version: 150_000,
            name: "countersign_executor".to_owned(),
            superuser: false,
            createrole: false,
            replication: false,
            signals: true,
            sees_sessions: true,
            marker: 1,
            marks: true,
            roles_table: 2,
            role_settings_table: 3,
        }
    }

    const OTHER: Role = Role {
        superuser: false,
        replication: false,
        admin: false,
        itself: false,
    };

    fn lacks(statement: &str, me: &Me, subject: &Subject) -> Option<String> {
        let finding = privilege("step `s`", &Need::of(statement), me, subject)?;
        assert_eq!(finding.severity, Severity::Blocks);
        let (_, lacks) = finding.message.split_once(" lacks ")?;
        Some(lacks.to_owned())
    }

    fn sessions(spared: i64) -> Subject {
        Subject::Sessions(Sessions { spared })
    }

    #[test]
    fn a_signal_needs_its_functions_and_reaches_nobody_whom_they_spare() {
        const SIGNAL: &str = "SELECT countersign.cancel_backend(a.pid, a.backend_start) FROM t a WHERE a.pid = 1";
        assert_eq!(lacks(SIGNAL, &me(), &sessions(0)), None);
        assert!(lacks(SIGNAL, &me(), &sessions(1)).unwrap().starts_with("a way to"));
        let mute = Me { signals: false, ..me() };
        assert!(lacks(SIGNAL, &mute, &sessions(0)).unwrap().starts_with("EXECUTE"));
        let blind = Me {
            sees_sessions: false,
            ..me()
        };
        assert!(
            lacks(SIGNAL, &blind, &sessions(0))
                .unwrap()
                .starts_with("pg_read_all_stats")
        );
        let superuser = Me {
            superuser: true,
            ..me()
        };
        assert!(
            lacks(SIGNAL, &superuser, &sessions(1)).is_some(),
            "the functions spare whomever they spare, whoever calls them"
        );
    }

    #[test]
    fn a_role_is_altered_by_the_rules_of_its_version() {
        const ALTER: &str = "ALTER ROLE app CONNECTION LIMIT 5";
        let subject = |role| Subject::Role {
            role: Some(role),
            setting: Setting::Unasked,
        };
        assert!(lacks(ALTER, &me(), &subject(OTHER)).unwrap().starts_with("CREATEROLE"));
        let creator = Me {
            createrole: true,
            ..me()
        };
        assert_eq!(lacks(ALTER, &creator, &subject(OTHER)), None);
        let replicates = Role {
            replication: true,
            ..OTHER
        };
        assert!(
            lacks(ALTER, &creator, &subject(replicates))
                .unwrap()
                .starts_with("SUPERUSER")
        );
        let newer = Me {
            version: 160_000,
            ..creator
        };
        assert!(
            lacks(ALTER, &newer, &subject(OTHER))
                .unwrap()
                .starts_with("ADMIN OPTION")
        );
        assert_eq!(
            lacks(
                ALTER,
                &newer,
                &subject(Role {
                    admin: true,
                    ..replicates
                })
            ),
            None
        );
        let superuser = Role {
            superuser: true,
            admin: true,
            ..OTHER
        };
        assert!(
            lacks(ALTER, &newer, &subject(superuser))
                .unwrap()
                .starts_with("SUPERUSER")
        );
    }

    #[test]
    fn a_superusers_setting_needs_a_grant() {
        const SET: &str = "ALTER ROLE app SET temp_file_limit = 64";
        let creator = Me {
            createrole: true,
            ..me()
        };
        let subject = |setting| Subject::Role {
            role: Some(OTHER),
            setting,
        };
        assert_eq!(
            lacks(SET, &creator, &subject(Setting::ForSuperusers)).unwrap(),
            "SET on the parameter `temp_file_limit`"
        );
        assert_eq!(lacks(SET, &creator, &subject(Setting::Granted)), None);
        assert!(lacks(SET, &creator, &subject(Setting::Missing)).is_some());
    }

    #[test]
    fn a_table_is_worked_on_by_its_owner_or_whom_its_version_lets() {
        let stranger = Relation {
            oid: 9,
            owner: "shop".to_owned(),
            owns: false,
            owns_database: false,
            owns_schema: false,
            reaches: true,
            maintains: false,
        };
        let may =
            |statement: &str, relation: Relation| lacks(statement, &me(), &Subject::Relation(Some(relation))).is_none();
        for statement in [
            "VACUUM s.t",
            "ANALYZE s.t",
            "REINDEX TABLE s.t",
            "DROP INDEX CONCURRENTLY s.i",
        ] {
            assert!(!may(statement, stranger.clone()), "{statement}");
            assert!(
                may(
                    statement,
                    Relation {
                        owns: true,
                        ..stranger.clone()
                    }
                ),
                "{statement}"
            );
            let out_of_reach = Relation {
                owns: true,
                reaches: false,
                ..stranger.clone()
            };
            assert!(!may(statement, out_of_reach), "{statement}");
        }
        let maintains = Relation {
            maintains: true,
            ..stranger.clone()
        };
        assert!(may("VACUUM s.t", maintains.clone()) && may("REINDEX TABLE s.t", maintains));
        let of_database = Relation {
            owns_database: true,
            ..stranger.clone()
        };
        assert!(may("ANALYZE s.t", of_database.clone()) && !may("REINDEX TABLE s.t", of_database));
        assert!(may(
            "DROP INDEX s.i",
            Relation {
                owns_schema: true,
                ..stranger
            }
        ));
    }

    #[test]
    fn what_is_gone_blocks_and_what_is_unknown_warns() {
        let gone = privilege("s", &Need::of("VACUUM s.t"), &me(), &Subject::Relation(None)).unwrap();
        assert_eq!(
            (gone.code.as_str(), gone.severity),
            ("object_missing", Severity::Blocks)
        );
        let unknown = privilege("s", &Need::Unknown, &me(), &Subject::Nothing).unwrap();
        assert_eq!(
            (unknown.code.as_str(), unknown.severity),
            ("privilege_unknown", Severity::Warns)
        );
        let slot = "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM t s";
        assert_eq!(lacks(slot, &me(), &Subject::Nothing).unwrap(), "REPLICATION");
    }

    #[test]
    fn a_holder_of_a_lock_is_named() {
        assert_eq!(lock("s", &locks::VACUUM, "`s.t`", 1000, &[]), None);
        let holder = Holder {
            pid: Some(42),
            role: "batch".to_owned(),
            application: "nightly".to_owned(),
            kind: "client backend".to_owned(),
            mode: "ShareLock".to_owned(),
            granted: true,
            age_s: Some(90),
        };
        let found = lock("step `s`", &locks::VACUUM, "`s.t`", 1000, &[holder.clone(), holder]).unwrap();
        assert_eq!((found.code.as_str(), found.severity), ("lock_wait", Severity::Warns));
        assert_eq!(
            found.message,
            "step `s`: takes SHARE UPDATE EXCLUSIVE on `s.t` and waits at most 1000 ms for it: client backend 42 \
             (`batch`, `nightly`) holds ShareLock, its transaction 90 s old, and 1 more"
        );
    }
}
