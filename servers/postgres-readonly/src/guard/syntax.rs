//! What can be said of a statement without the database.

use sql_facts::Statement;

use super::{Refusal, nodes};

const EXPLAIN_OPTIONS: [&str; 12] = [
    "analyze",
    "buffers",
    "costs",
    "format",
    "generic_plan",
    "memory",
    "serialize",
    "settings",
    "summary",
    "timing",
    "verbose",
    "wal",
];
/// Kinds that EXPLAIN without ANALYZE may stand before: they are planned and not run.
const PLANNED: [&str; 5] = ["select", "insert", "update", "delete", "merge"];
/// What `sql_facts` calls opaque by name alone, and what the catalog tells better here.
const JUDGED_BY_CATALOG: [&str; 3] = ["operator of schema: ", "dynamic sql: ", "server file: "];

/// What a text is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A caller's own statement: SELECT, SHOW or EXPLAIN.
    Call,
    /// A statement that is planned and not run.
    Plan,
    /// A text of the catalog that reading something runs.
    Read,
}

/// Refuses every statement that is not a read, and every kind of syntax that is not known to be harmless.
pub fn check(statement: &Statement, purpose: Purpose) -> Result<(), Refusal> {
    let facts = statement.facts();
    let mut planned = false;
    match (facts.kind.as_str(), purpose) {
        ("select", _) | ("variable_show", Purpose::Call) => {}
        (kind, Purpose::Plan) if PLANNED.contains(&kind) => planned = true,
        ("explain", Purpose::Call) => {
            let unknown = facts
                .options
                .iter()
                .find(|option| !EXPLAIN_OPTIONS.contains(&option.as_str()));
            if let Some(option) = unknown {
                return Err(Refusal::ExplainOption(option.clone()));
            }
            // With ANALYZE in any spelling, even `ANALYZE false`, only what may run.
            planned = !facts.options.iter().any(|option| option == "analyze");
        }
        (other, _) => return Err(Refusal::Kind(other.to_owned())),
    }
    let allowed = |kind: &str| kind == "select" || (planned && PLANNED.contains(&kind));
    if let Some(kind) = facts.nested_kinds.iter().find(|kind| !allowed(kind)) {
        return Err(Refusal::Nested(kind.clone()));
    }
    if facts.row_locks {
        return Err(Refusal::RowLock);
    }
    let written = facts.relations_written.iter().filter(|_| !planned);
    if let Some(written) = written.chain(&facts.settings).chain(&facts.roles).next() {
        return Err(Refusal::Writes(written.clone()));
    }
    let opaque = facts
        .opaque
        .iter()
        .find(|reason| !JUDGED_BY_CATALOG.iter().any(|prefix| reason.starts_with(prefix)));
    if let Some(reason) = opaque {
        return Err(Refusal::Opaque(reason.clone()));
    }
    match nodes::first_unknown(statement.tree(), planned) {
        Some(node) => Err(Refusal::Node(node.to_owned())),
        None => Ok(()),
    }
}

/// Returns the body of a function that is stored as a parse tree, out of the CREATE FUNCTION that the server writes for it.
pub fn sql_body(definition: &str) -> Option<String> {
    const RETURN: &str = "\nRETURN ";
    const ATOMIC: &str = "\nBEGIN ATOMIC\n";
    // A text inside the definition may look like its end: two of them are one too many.
    let once = |mark: &str| {
        definition
            .split_once(mark)
            .filter(|(_, rest)| !rest.contains(RETURN) && !rest.contains(ATOMIC))
    };
    if let Some((_, expression)) = once(RETURN) {
        return Some(format!("SELECT {}", expression.trim().trim_end_matches(';')));
    }
    let (_, body) = once(ATOMIC)?;
    Some(body.trim().strip_suffix("END")?.trim().trim_end_matches(';').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_body_is_found_unless_two_places_look_like_it() {
        assert_eq!(
            sql_body("CREATE FUNCTION f(a int)\n LANGUAGE sql\nRETURN (a + 1)\n").as_deref(),
            Some("SELECT (a + 1)")
        );
        assert_eq!(
            sql_body("CREATE FUNCTION f()\n LANGUAGE sql\nBEGIN ATOMIC\n SELECT 1;\nEND\n").as_deref(),
            Some("SELECT 1")
        );
        assert_eq!(
            sql_body("CREATE FUNCTION f(a text DEFAULT '\nRETURN 1')\nRETURN pg_sleep(1)"),
            None
        );
    }
}
