//! Prints the DDL that a target needs: the marker, and the smallest role that the shipped runbooks can work with.

/// Returns the DDL for a role of this name. It changes nothing by itself; a database administrator reads it and runs it.
pub fn setup_sql(role: &str) -> String {
    for_role(&TEMPLATE.replace("-- (signals)\n", SIGNALS), &quote(role))
}

/// The part of it that makes the two functions that signal, for a role whose name is quoted already.
pub(crate) fn signals_sql(quoted_role: &str) -> String {
    for_role(SIGNALS, quoted_role)
}

/// The body of one of the two as a server must have it, `terminate_backend` or `cancel_backend`.
pub(crate) fn signal_body(function: &str) -> Option<&'static str> {
    let (_, from) = SIGNALS.split_once(&format!("FUNCTION countersign.{function}("))?;
    from.split(BODY).nth(1)
}

fn for_role(template: &str, quoted: &str) -> String {
    template.replace("\"countersign_executor\"", quoted)
}

fn quote(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}

/// The role's name where none is given.
pub const DEFAULT_ROLE: &str = "countersign_executor";
const TEMPLATE: &str = include_str!("queries/setup.sql");
const SIGNALS: &str = include_str!("queries/setup_signals.sql");
const BODY: &str = "$body$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_stands_everywhere_and_is_quoted() {
        let sql = setup_sql("odd\"name");
        assert!(sql.contains("CREATE ROLE \"odd\"\"name\" LOGIN"));
        assert!(sql.contains("TO \"odd\"\"name\";"));
        assert!(!sql.contains(DEFAULT_ROLE));
    }

    #[test]
    fn each_function_has_a_body_that_signals_in_its_own_way() {
        for (function, other) in [
            ("terminate_backend", "cancel_backend"),
            ("cancel_backend", "terminate_backend"),
        ] {
            let body = signal_body(function).unwrap_or_default();
            assert!(body.contains(&format!("pg_catalog.pg_{function}(a.pid)")), "{body}");
            assert!(!body.contains(other), "{body}");
        }
        assert_eq!(signal_body("reload_conf"), None);
    }
}
