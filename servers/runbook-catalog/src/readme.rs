//! The text beside each runbook: what happened, what it does, what it does not do.

use std::{fs, path::Path};

/// The texts of the shipped catalog, which is inside the binary too.
const SHIPPED: &[(&str, &str)] = &[
    (
        "connection-saturation",
        include_str!("../../../runbooks/catalog/connection-saturation/README.md"),
    ),
    (
        "ddl-lock-queue",
        include_str!("../../../runbooks/catalog/ddl-lock-queue/README.md"),
    ),
    (
        "idle-in-transaction-blocker",
        include_str!("../../../runbooks/catalog/idle-in-transaction-blocker/README.md"),
    ),
];

/// Returns the text of a runbook, from the catalog's folder if it has one.
pub fn of(dir: Option<&Path>, id: &str) -> Option<String> {
    match dir {
        Some(dir) => fs::read_to_string(dir.join(id).join("README.md")).ok(),
        None => SHIPPED
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, text)| (*text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn every_shipped_runbook_ships_its_text() {
        for runbook in runbooks::Catalog::shipped().unwrap().iter() {
            let id = &runbook.document().id;
            assert!(of(None, id).is_some_and(|text| text.starts_with("# ")), "{id}");
        }
    }
}
