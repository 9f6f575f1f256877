//! `settings`: what deviates from the defaults, and why it matters.

use async_trait::async_trait;
use kit::{CallContext, Hints, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    db::{Answer, bounded_rows},
    facts::{
        activity::Checkpoints,
        setting_notes,
        settings::{FileRow, OverrideRow, Row, Setting, Settings as Known},
    },
    inquiry::Inquiry,
    masked,
    risks::{Risk, load, settings, worst_first},
    state::State,
};

const MAX_SETTINGS: u32 = 2000;
const MAX_OVERRIDES: u32 = 200;
const MAX_FILE_LINES: u32 = 2000;
const MAX_PART_BYTES: usize = 60 * 1024;
const UNSEEN: &str = "statement_timeout, lock_timeout and what else this server's session or role has of its own: what the server gives others \
    is visible only through pg_file_settings (GRANT SELECT ON pg_file_settings, GRANT EXECUTE ON FUNCTION pg_show_all_file_settings())";

pub struct Settings;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which configured target; may be left out when there is only one
    target: Option<String>,
    /// Only these settings, in full
    #[schemars(length(max = 50))]
    names: Option<Vec<String>>,
    /// Only settings whose name fits this LIKE pattern, in full (%autovacuum%)
    #[schemars(length(max = 100))]
    like: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// What `names` and `like` asked for; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Vec<Full>>,
    /// Names that no setting has, or that this role may not see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
    #[serde(flatten)]
    judged: Option<Judged>,
    /// There is more than is shown.
    truncated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Judged {
    /// What is dangerous or worth a thought, the worst first.
    findings: Vec<Risk>,
    /// Settings that are not at their built-in default, those whose `why` is known first.
    deviating: Vec<Deviating>,
    /// What ALTER ROLE … SET and ALTER DATABASE … SET say, at most 200.
    overrides: Vec<Override>,
    /// Changed settings that take effect only after a restart.
    pending_restart: Vec<String>,
}

/// A value is in `unit`; passwords in it are masked.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Deviating {
    name: String,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// `value` with a unit that reads well.
    #[serde(skip_serializing_if = "Option::is_none")]
    human: Option<String>,
    default: Option<String>,
    /// configuration file, ALTER SYSTEM, database, command line …
    source: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending_restart: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Full {
    /// Its value is null where this server's own session hides what others get.
    #[serde(flatten)]
    setting: Deviating,
    /// When a change takes effect: postmaster (restart), sighup (reload), superuser, user …
    context: String,
    sourcefile: Option<String>,
    sourceline: Option<i64>,
    /// Its bounds, or the values that it can have.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<String>,
    description: Option<String>,
}

/// Holds for sessions of this role in this database; null: of every.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Override {
    database: Option<String>,
    role: Option<String>,
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Server {
    server_version_num: i32,
    current_role: String,
}

#[async_trait]
impl Tool for Settings {
    type State = State;
    type Input = Input;
    type Output = Answer<Output>;
    const NAME: &'static str = "settings";
    const TITLE: &'static str = "Settings";
    const DESCRIPTION: &'static str = "Settings that deviate from their defaults and why they matter, findings about dangerous ones, role and database overrides, and what waits for a restart. \
        With `names` or `like` instead: those settings in full. Passwords in values are masked.";

    fn hints() -> Hints {
        Hints::READ_ONLY_OPEN_WORLD
    }

    async fn call(state: &State, input: Input, call: &CallContext) -> Result<Self::Output, ToolError> {
        let mut asked = Inquiry::of(state.source(input.target.as_deref())?, call);
        let in_full = input.names.is_some() || input.like.is_some();
        let names = input.names.unwrap_or_default();
        let server: Server = asked.row(include_str!("../queries/settings_session.sql")).await?;
        let parameters = vec![Some(json!(names).to_string()), input.like];
        let rows: Vec<Row> = asked
            .rows(include_str!("../queries/settings.sql"), parameters, MAX_SETTINGS)
            .await?;
        let overrides: Vec<OverrideRow> = asked
            .rows(include_str!("../queries/settings_overrides.sql"), vec![], MAX_OVERRIDES)
            .await?;
        let files = read_files(&mut asked).await?;
        let known = Known::of(rows, &overrides, files.as_deref(), &server.current_role);
        let mut unseen = known
            .all
            .values()
            .filter(|setting| setting.source.is_none() && (setting.row.wanted || !in_full));
        if unseen.next().is_some() {
            asked.hide(UNSEEN);
        }
        if in_full {
            return asked.answer(in_full_of(&known, &names));
        }
        let checkpoints = Checkpoints::read(&mut asked, server.server_version_num).await?;
        let mut findings = settings::judge(&known);
        findings.extend(checkpoints.and_then(load::judge_checkpoints));
        let (deviating, cut) = deviating(&known);
        let overrides_total = overrides.first().map_or(0, |row| row.total);
        let (overrides, _) = bounded_rows(overrides.into_iter().map(shown).collect(), MAX_PART_BYTES);
        asked.answer(Output {
            settings: None,
            unknown: Vec::new(),
            truncated: cut || overrides.len() < overrides_total,
            judged: Some(Judged {
                findings: worst_first(findings),
                deviating,
                overrides,
                pending_restart: pending(&known),
            }),
        })
    }
}

/// Returns what the configuration files say, where the role was given a look at them.
async fn read_files(asked: &mut Inquiry<'_>) -> Result<Option<Vec<FileRow>>, ToolError> {
    let sql = include_str!("../queries/settings_files.sql");
    let lines = asked.rows(sql, vec![], MAX_FILE_LINES).await;
    match lines {
        Ok(lines) => Ok(Some(lines)),
        Err(error) if matches!(error.code, "permission_denied" | "sql_error") => Ok(None),
        Err(error) => Err(error),
    }
}

fn in_full_of(known: &Known, names: &[String]) -> Output {
    let wanted = known.all.values().filter(|setting| setting.row.wanted);
    let all: Vec<Full> = wanted
        .map(|setting| Full {
            setting: Deviating::from(setting),
            context: setting.row.context.clone(),
            sourcefile: setting.row.sourcefile.clone(),
            sourceline: setting.row.sourceline,
            values: setting.row.values.clone(),
            description: setting.row.description.clone(),
        })
        .collect();
    let (settings, truncated) = bounded_rows(all, 2 * MAX_PART_BYTES);
    let unknown = names.iter().filter(|name| !known.all.contains_key(name.as_str()));
    Output {
        settings: Some(settings),
        unknown: unknown.map(|name| kit::text::clean(name, 80)).collect(),
        judged: None,
        truncated,
    }
}

fn deviating(known: &Known) -> (Vec<Deviating>, bool) {
    let deviates = |setting: &&Setting| {
        let row = &setting.row;
        row.context != "internal"
            && !setting_notes::is_noise(&row.name)
            && setting.value.is_some()
            && setting.value != row.boot_val
            && !matches!(
                setting.source.as_deref(),
                Some("default" | "override" | "dynamic default")
            )
    };
    let mut all: Vec<Deviating> = known.all.values().filter(deviates).map(Deviating::from).collect();
    all.sort_by_key(|setting| setting.why.is_none());
    bounded_rows(all, MAX_PART_BYTES)
}

fn pending(known: &Known) -> Vec<String> {
    let waiting = known.all.values().filter(|setting| setting.row.pending_restart);
    waiting.map(|setting| setting.row.name.clone()).collect()
}

fn shown(row: OverrideRow) -> Override {
    let (name, value) = row.setting.split_once('=').unwrap_or((row.setting.as_str(), ""));
    Override {
        value: masked::setting(name, value),
        name: name.to_owned(),
        database: row.database,
        role: row.role,
    }
}

impl From<&Setting> for Deviating {
    fn from(setting: &Setting) -> Self {
        Self {
            name: setting.row.name.clone(),
            value: setting.shown(),
            unit: setting.row.unit.clone(),
            human: setting.human(),
            default: setting.default(),
            source: setting.source.clone(),
            pending_restart: setting.row.pending_restart,
            why: setting_notes::why(&setting.row.name),
        }
    }
}
