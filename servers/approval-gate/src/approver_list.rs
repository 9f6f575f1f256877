//! The gate's own copy of approvers.json, and the newest version it has ever seen: the list only moves forward.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use approval::{Approvers, ApproversError};
use runbooks::Digest;
use serde::{Deserialize, Serialize};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::request::{Request, RequestEvent, Signed};
use crate::store::{Rows, Store};

/// Where the list lives, and who must have signed it.
#[derive(Debug, Clone)]
pub struct ApproverFile {
    /// The signed list.
    pub path: PathBuf,
    /// The administrator's public key.
    pub admin_key: String,
}

/// The newest list that was ever seen here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenList {
    /// Its version.
    pub version: u64,
    /// Its digest: two lists with one version would be two truths.
    pub digest: Digest,
}

impl ApproverFile {
    /// Reads the list, refuses an older one than was ever seen, and remembers a newer one.
    ///
    /// # Errors
    /// When it cannot be read, is not signed by the administrator, or is older.
    pub fn open(&self, store: &Store) -> Result<Approvers, Refusal> {
        let text = fs::read_to_string(&self.path).map_err(|error| {
            let path = self.path.display();
            Refusal::new(
                "approvers_unreadable",
                format!("could not read the approver list `{path}`: {error}"),
            )
        })?;
        self.accept(&text, store)
    }

    fn accept(&self, text: &str, store: &Store) -> Result<Approvers, Refusal> {
        store.change(|change| {
            let seen: Option<SeenList> = change.mark(MARK)?;
            let newest = seen.as_ref().map_or(0, |seen| seen.version);
            let approvers = Approvers::verify(text, &self.admin_key, newest)
                .map_err(|error| Refusal::because(error.code(), &error))?;
            let offered = SeenList {
                version: approvers.version(),
                digest: approvers.digest(),
            };
            match seen {
                Some(seen) if seen == offered => {}
                Some(seen) if seen.version == offered.version => {
                    let error = ApproversError::RolledBack {
                        offered: offered.version,
                        seen: seen.version,
                    };
                    let message = format!("another approver list with version {} was seen before", seen.version);
                    return Err(Refusal::new(error.code(), message));
                }
                Some(_) | None => {
                    let why = serde_json::to_value(&offered)?;
                    change.set_sealed("approvers_applied", "approvers", why, MARK, &offered)?;
                }
            }
            Ok(approvers)
        })
    }

    /// Puts a list in place of the file's, whole or not at all.
    fn write(&self, text: &str) -> std::io::Result<()> {
        let draft = self.path.with_extension("json.new");
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Gate {
    /// Applies a newer signed list at once: whoever is no longer on it approves nothing from now on.
    ///
    /// # Errors
    /// When it is not signed by the administrator, older, or could not be kept.
    pub fn apply_approvers(&self, text: &str) -> Result<u64, Refusal> {
        // Held throughout: of two lists that come at once, the newer must stay.
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        let offered = Approvers::verify(text, &self.approver_file.admin_key, listed.version())
            .map_err(|error| Refusal::because(error.code(), &error))?;
        if offered.version() > listed.version() {
            // The file first: if we crash in between, the next start finds the newer list and takes it. The other order
            // would leave a file that the next start refuses as rolled back.
            self.approver_file.write(text).map_err(|error| {
                let path = self.approver_file.path.display();
                Refusal::new("approvers_unwritable", format!("could not write `{path}`: {error}"))
            })?;
        }
        let approvers = self.approver_file.accept(text, &self.store)?;
        let version = approvers.version();
        *listed = Arc::new(approvers);
        drop(listed);
        self.strike()?;
        Ok(version)
    }

    /// Takes back what people approved with keys that are not theirs any more by the list in force, where nothing was ordered
    /// yet: no executor would take it, and others may sign instead.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn strike(&self) -> Result<(), Refusal> {
        let approvers = self.approvers();
        let own = self.key.public_key().fingerprint();
        let gone = |signed: &Signed| {
            let is_theirs = if signed.method.is_attested() {
                signed.key_id == own && approvers.person(&signed.approver).is_some()
            } else {
                let owner = approvers.person_of_key(&signed.key_id);
                owner.is_some_and(|person| person.id == signed.approver && !person.agent)
            };
            !is_theirs
        };
        let gone_of = |request: &Request| -> Vec<String> {
            let gone = request.approvals.iter().filter(|signed| gone(signed));
            gone.map(|signed| signed.approver.clone()).collect()
        };
        let open = |rows: &Rows<'_>| -> Result<Vec<Request>, Refusal> {
            let mut open = rows.requests(Some("pending"), u32::MAX)?;
            open.extend(rows.requests(Some("approved"), u32::MAX)?);
            Ok(open)
        };
        if self
            .store
            .view(|rows| open(rows))?
            .iter()
            .all(|request| gone_of(request).is_empty())
        {
            return Ok(());
        }
        self.store.change(|change| {
            for request in open(change)? {
                let approvers = gone_of(&request);
                if !approvers.is_empty() {
                    let at = self.now();
                    change.request_event(Some(request), RequestEvent::Struck { approvers, at })?;
                }
            }
            Ok(())
        })?;
        self.windows.notify_waiters();
        Ok(())
    }
}

const MARK: &str = "approvers";
