//! The text beside each entry: what happened, what it does, what it does not do.

use std::{fs, path::Path};

/// Returns the text of an entry: from the folder that is laid over the shipped catalog, else the shipped one.
pub fn of(dir: Option<&Path>, id: &str) -> Option<String> {
    let own = dir.and_then(|dir| fs::read_to_string(dir.join(id).join("README.md")).ok());
    own.or_else(|| runbooks::shipped_readme(id).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn every_shipped_entry_ships_its_text() {
        let catalog = runbooks::Catalog::shipped().unwrap();
        let runbooks = catalog.iter().map(|entry| &entry.document().id);
        let hand_overs = catalog.hand_overs().map(|entry| &entry.document().id);
        for id in runbooks.chain(hand_overs) {
            assert!(of(None, id).is_some_and(|text| text.starts_with("# ")), "{id}");
        }
    }
}
