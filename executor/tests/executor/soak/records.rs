//! What one executor wrote down in one run, and what left its reach before it was killed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::kill::Kill;
use crate::scene::Scene;

/// The state folder of one run.
pub struct Records {
    pub name: String,
    dir: PathBuf,
    hook: PathBuf,
    published: PathBuf,
}

impl Records {
    pub fn new(scene: &Scene, number: u64) -> Self {
        let name = format!("run-{number}");
        let at = |what: &str| scene.dir.path().join(format!("{name}-{what}"));
        let records = Self {
            dir: scene.dir.path().join(&name),
            hook: at("hook"),
            published: at("published"),
            name,
        };
        std::fs::create_dir(&records.published).unwrap();
        records
    }

    /// A publishing command that keeps every checkpoint, and kills the executor where that is asked for.
    pub fn publish(&self, kill: Option<Kill>) -> String {
        let at = match kill {
            Some(Kill::At(event)) => event.to_string(),
            Some(Kill::After(..) | Kill::Moment(_)) | None => "never".to_owned(),
        };
        let script = format!(
            "cat > {}/$COUNTERSIGN_EVENT_SEQ.$$\n[ \"$COUNTERSIGN_EVENT_SEQ\" = {at} ] && kill -9 $PPID\nexit 0\n",
            self.published.display()
        );
        std::fs::write(&self.hook, script).unwrap();
        format!(
            "[journal]\npublish_command = [\"/bin/sh\", \"{}\"]\n",
            self.hook.display()
        )
    }

    pub fn is_published(&self, event: u64) -> bool {
        let beginning = format!("{event}.");
        let mut files = std::fs::read_dir(&self.published).unwrap();
        files.any(|file| file.unwrap().file_name().to_str().unwrap().starts_with(&beginning))
    }

    /// Kind and data of each event, in order.
    pub fn events(&self) -> Vec<(String, Value)> {
        let Ok(journal) = open(&self.journal()) else {
            return Vec::new();
        };
        let Ok(mut query) = journal.prepare("SELECT kind, leaf FROM journal_events ORDER BY seq") else {
            return Vec::new();
        };
        let read = |row: &rusqlite::Row<'_>| {
            let leaf: Value = serde_json::from_str(&row.get::<_, String>(1)?).unwrap();
            Ok((row.get(0)?, leaf["data"].clone()))
        };
        query.query_map([], read).unwrap().map(Result::unwrap).collect()
    }

    /// How the execution ended, once it did.
    pub fn end(&self) -> Option<String> {
        let events = self.events();
        let (_, data) = events.iter().find(|(kind, _)| kind == "execution_ended")?;
        Some(data["outcome"]["is"].as_str().unwrap().to_owned())
    }

    /// Holds the journal against every checkpoint that was published before a kill or after.
    pub fn verify(&self) -> Result<(), String> {
        let mut checkpoints = Vec::new();
        for file in std::fs::read_dir(&self.published).unwrap() {
            let checkpoint = std::fs::read_to_string(file.unwrap().path()).unwrap();
            // A kill may come before anything was written to the command.
            if !checkpoint.is_empty() {
                checkpoints.push(checkpoint);
            }
        }
        let verified = journal::verify_file(&self.journal(), None, &checkpoints);
        verified.map(drop).map_err(|error| error.to_string())
    }

    /// Takes the last event away, as somebody with the file in hand could.
    pub fn lose_the_last(&self) {
        let journal = open(&self.journal()).unwrap();
        journal
            .execute_batch(
                "DROP TRIGGER journal_events_no_delete;
                 DELETE FROM journal_events WHERE seq = (SELECT max(seq) FROM journal_events)",
            )
            .unwrap();
    }

    pub fn remove(self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
        std::fs::remove_dir_all(&self.published).unwrap();
        std::fs::remove_file(&self.hook).unwrap();
    }

    fn journal(&self) -> PathBuf {
        self.dir.join("journal.sqlite")
    }
}

fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    // Not read-only: after a kill SQLite has a write-ahead log to recover.
    rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)
}
