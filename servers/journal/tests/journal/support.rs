//! A journal in a temporary directory, and the ways to lay hands on its file.

use std::path::PathBuf;

use journal::{Event, Journal, JournalConfig, Publish};
use rusqlite::Connection;
use serde_json::json;

pub struct Shelf {
    pub dir: tempfile::TempDir,
    pub config: JournalConfig,
}

impl Shelf {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = JournalConfig {
            path: dir.path().join("journal.db"),
            origin: "countersign.test/executor-1".to_owned(),
            key_file: dir.path().join("journal.key"),
            publish: None,
        };
        Self { dir, config }
    }

    /// Publishes into a directory, which is returned.
    pub fn published(mut self) -> (Self, PathBuf) {
        let dir = self.dir.path().join("published");
        std::fs::create_dir(&dir).unwrap();
        self.config.publish = Some(Publish::Dir(dir.clone()));
        (self, dir)
    }

    pub fn open(&self) -> Journal {
        Journal::open(&self.config).unwrap()
    }

    /// The code of an attempt to open it for appending.
    pub fn open_code(&self) -> &'static str {
        match Journal::open(&self.config) {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    /// A log of so many events, closed.
    pub fn filled(events: u64) -> Self {
        let shelf = Self::new();
        fill(&shelf.open(), 0, events);
        shelf
    }

    /// The file in an attacker's hands: no triggers.
    pub fn sql(&self) -> Connection {
        let sql = Connection::open(&self.config.path).unwrap();
        let triggers: Vec<String> = {
            let mut names = sql
                .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
                .unwrap();
            names
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        assert_eq!(triggers.len(), 4);
        for trigger in triggers {
            sql.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        sql
    }
}

pub fn fill(journal: &Journal, from: u64, to: u64) {
    for n in from..to {
        let seq = journal.append(event(n)).unwrap();
        assert_eq!(seq, n);
    }
}

pub fn event(n: u64) -> Event {
    Event {
        kind: "step_done".to_owned(),
        subject: format!("plan-{}", n % 3),
        data: json!({"n": n, "rows": 1}),
    }
}
