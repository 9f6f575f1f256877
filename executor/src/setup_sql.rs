//! Prints the DDL that a target needs: the marker, and the smallest role that the shipped runbooks can work with.

/// Returns the DDL for a role of this name. It changes nothing by itself; a database administrator reads it and runs it.
pub fn setup_sql(role: &str) -> String {
    TEMPLATE.replace("\"countersign_executor\"", &quote(role))
}

fn quote(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}

/// The role's name where none is given.
pub const DEFAULT_ROLE: &str = "countersign_executor";
const TEMPLATE: &str = include_str!("queries/setup.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_stands_everywhere_and_is_quoted() {
        let sql = setup_sql("odd\"name");
        assert!(sql.contains("CREATE ROLE \"odd\"\"name\" LOGIN"));
        assert!(!sql.contains(DEFAULT_ROLE));
    }
}
