//! What a person must read before signing a grant, line by line; the same on page and terminal.

use approval::{Bound, GrantTerms, Scalar};
use runbooks::Catalog;

use crate::sheet::risk_name;

/// Label and value of everything that the terms say, with what `catalog` knows of the runbook and its parameters.
pub fn grant_facts(terms: &GrantTerms, catalog: &Catalog) -> Vec<(String, String)> {
    let pinned = &terms.runbook;
    let runbook = catalog
        .get(&pinned.id)
        .filter(|runbook| runbook.digest() == pinned.digest)
        .map(runbooks::Runbook::document);
    let mut facts = vec![(
        "runbook".to_owned(),
        format!("{} version {}, {}", pinned.id, pinned.version, pinned.digest),
    )];
    facts.push(match runbook {
        Some(runbook) => (
            "does".to_owned(),
            format!("{}; {} risk", runbook.title, risk_name(runbook.risk)),
        ),
        None => (
            "does".to_owned(),
            "not known here: this catalog has no such runbook".to_owned(),
        ),
    });
    for target in &terms.targets {
        let place = format!(
            "{} ({}), database {}, system {}",
            target.name, target.environment, target.database, target.system_identifier
        );
        facts.push(("on".to_owned(), place));
    }
    for (name, bound) in &terms.parameters {
        let meaning = runbook
            .and_then(|runbook| runbook.parameters.get(name))
            .map(|spec| format!(" ({})", spec.description))
            .unwrap_or_default();
        facts.push((name.clone(), format!("{}{meaning}", bound_text(bound))));
    }
    facts.push(("at most".to_owned(), format!("{} times in 24 hours", terms.max_per_day)));
    if terms.windows.is_empty() {
        facts.push(("when".to_owned(), "at any time".to_owned()));
    }
    for window in &terms.windows {
        let days = window.days.join(", ");
        let hours = format!("{days}, {} to {}, {}", window.from, window.until, window.time_zone);
        facts.push(("when".to_owned(), hours));
    }
    facts.push(("from".to_owned(), terms.not_before.to_string()));
    facts.push(("until".to_owned(), terms.until.to_string()));
    facts.push(("why".to_owned(), terms.reason.clone()));
    facts.push((
        "gate and executor".to_owned(),
        format!("{}, {}", terms.gate, terms.audience),
    ));
    facts
}

fn bound_text(bound: &Bound) -> String {
    match bound {
        Bound::Any => "any value that the runbook allows".to_owned(),
        Bound::OneOf(values) => {
            let values: Vec<String> = values.iter().map(scalar_text).collect();
            format!("one of: {}", values.join(", "))
        }
        Bound::Prefix(prefix) => format!("any text that begins with `{prefix}`"),
        Bound::Range { min, max } => format!("{min} to {max}"),
    }
}

fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => format!("`{text}`"),
    }
}
