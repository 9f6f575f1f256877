//! `doctor`: asks every part whether it is there, before an incident does.

use kit::ExitCode;
use policies::Policy;
use runbooks::Catalog;
use serde_json::{Value, json};

use super::serve::{listener, read_secret};
use crate::config::{Config, TargetSection};
use crate::gate::Gate;
use crate::terminal::print_line;
use crate::toolbelt::Toolbelt;

pub(crate) async fn doctor(config: &Config) -> anyhow::Result<ExitCode> {
    let mut findings = vec![catalog(config), policy(config), bearer(config)];
    findings.extend(aws_alerts(config));
    let toolbelt = Toolbelt::new(config);
    for (name, result) in toolbelt.start().await {
        findings.push((
            format!("server {name}"),
            result.map(|()| "answers".to_owned()).map_err(|e| crate::chain(&e)),
        ));
    }
    for target in &config.targets {
        findings.push((format!("target {}", target.name), identity(&toolbelt, target).await));
        findings.extend(in_aws(&toolbelt, target).await);
    }
    let gate = Gate::new(&config.gate);
    findings.push((
        "approval-gate".to_owned(),
        gate.start()
            .await
            .map(|()| "answers".to_owned())
            .map_err(|e| crate::chain(&e)),
    ));
    tokio::join!(toolbelt.stop(), gate.stop());

    let mut code = ExitCode::Done;
    for (what, result) in findings {
        match result {
            Ok(word) => print_line(&format!("ok      {what}: {word}"))?,
            Err(why) => {
                print_line(&format!("FAILED  {what}: {}", kit::text::clean(&why, 500)))?;
                code = ExitCode::Failed;
            }
        }
    }
    Ok(code)
}

type Finding = (String, Result<String, String>);

fn catalog(config: &Config) -> Finding {
    let loaded = Catalog::open(config.catalog.dir.as_deref());
    let word = loaded.map(|catalog| format!("{} runbooks, {}", catalog.iter().count(), catalog.digest()));
    ("catalog".to_owned(), word.map_err(|e| crate::chain(&e)))
}

fn policy(config: &Config) -> Finding {
    let rules = &config.policy;
    let loaded = Policy::open(rules.dir.as_deref(), rules.windows.as_deref(), rules.freezes.as_deref());
    (
        "policy".to_owned(),
        loaded
            .map(|policy| policy.digest().to_string())
            .map_err(|e| crate::chain(&e)),
    )
}

fn bearer(config: &Config) -> Finding {
    let file = &config.orchestrator.bearer_file;
    let word = std::fs::read_to_string(file).map(|_| "readable".to_owned());
    (
        "bearer".to_owned(),
        word.map_err(|e| format!("`{}`: {e}", file.display())),
    )
}

/// Whether AWS's servers know the target by the names that it is configured with.
async fn in_aws(toolbelt: &Toolbelt, target: &TargetSection) -> Vec<Finding> {
    let names = target.cloud_names();
    let mut findings = Vec::new();
    if let Some(instance) = names.instance {
        let arguments = json!({"instance": instance});
        let answer = toolbelt
            .ask_kind(target, "performance-insights", "instance_features", arguments)
            .await;
        let word = answer.map(|_| format!("instance {instance} is known"));
        findings.push((
            format!("target {} in AWS", target.name),
            word.map_err(|e| crate::chain(&e)),
        ));
    }
    if let Some(group) = names.log_group {
        let answer = toolbelt
            .ask_kind(target, "cloudwatch-logs", "list_log_groups", Value::Null)
            .await;
        let known = answer.map_err(|e| crate::chain(&e)).and_then(|answer| {
            let groups = answer.get("log_groups").and_then(Value::as_array).into_iter().flatten();
            let mut names = groups.filter_map(|one| one.get("name").and_then(Value::as_str));
            match names.any(|name| name == group) {
                true => Ok(format!("log group {group} is there")),
                false => Err(format!(
                    "log group `{group}` is not among those that may be read and exist"
                )),
            }
        });
        findings.push((format!("target {} in AWS", target.name), known));
    }
    findings
}

/// What the ways in for AWS's alarms stand on.
fn aws_alerts(config: &Config) -> Vec<Finding> {
    let sns = config.alerts.cloudwatch.as_ref().map(|section| {
        let word = listener(section).map(|_| format!("{} topics", section.topics.len()));
        ("alerts.cloudwatch".to_owned(), word.map_err(|e| format!("{e:#}")))
    });
    let bus = config.alerts.eventbridge.as_ref().map(|section| {
        let word = read_secret("key", &section.key_file).map(|_| "has its key".to_owned());
        ("alerts.eventbridge".to_owned(), word.map_err(|e| format!("{e:#}")))
    });
    sns.into_iter().chain(bus).collect()
}

async fn identity(toolbelt: &Toolbelt, target: &TargetSection) -> Result<String, String> {
    let answer = toolbelt
        .ask_kind(target, "postgres-readonly", "overview", Value::Null)
        .await;
    let answer = answer.map_err(|e| crate::chain(&e))?;
    let word = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (database, system_identifier) = (word("database"), word("system_identifier"));
    if database != target.database {
        return Err(format!("it is database `{database}`, not `{}`", target.database));
    }
    match &target.system_identifier {
        Some(wanted) if *wanted != system_identifier => {
            Err(format!("it is system `{system_identifier}`, not `{wanted}`"))
        }
        _ => Ok(format!("database {database}, system {system_identifier}")),
    }
}
