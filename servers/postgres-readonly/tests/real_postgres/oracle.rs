//! Says whether anything happened: asks the database, the file system and the server's log, never the one who is judged.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};

use crate::cluster::{Cluster, Pg};

/// What was seen, by kind.
pub type Signals = BTreeMap<String, String>;

/// Kinds that need a moment: a session that was told to go is still there when the call is over.
const SETTLING: [&str; 3] = ["left_open", "strangers", "advisory"];
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// Lines that the server writes by itself, or because a client went away.
const NOISE: [&str; 8] = [
    "could not send data to client",
    "could not receive data from client",
    "unexpected EOF on client connection",
    "connection to client lost",
    "checkpoint starting: time",
    "checkpoint complete",
    "database system",
    "listening on",
];
/// WAL that readers and the server itself write.
const OWN_WAL: [&str; 5] = [
    "Standby/RUNNING_XACTS",
    "Standby/LOCK",
    "Heap2/PRUNE",
    "XLOG/CHECKPOINT_ONLINE",
    "XLOG/FPI_FOR_HINT",
];

pub struct Oracle {
    admin: Pg,
    notes: UnboundedReceiver<String>,
    heard: usize,
    log: PathBuf,
    /// Bytes of the log that were read, and what in them is worth telling.
    read: usize,
    told: Vec<String>,
    data: PathBuf,
    folder: PathBuf,
    from_lsn: String,
    seen_lsn: String,
    records: String,
}

impl Oracle {
    pub async fn watch(cluster: &Cluster, database: &str) -> Self {
        let admin = cluster.connect_to(database, "postgres", "oracle").await;
        admin
            .batch_execute("SET search_path = pg_catalog; SET client_min_messages = error; CHECKPOINT")
            .await
            .unwrap();
        let from_lsn: String = admin
            .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
            .await
            .unwrap()
            .get(0);
        Self {
            admin,
            notes: cluster.listen("channel").await,
            heard: 0,
            read: fs::read(cluster.log()).unwrap().len(),
            log: cluster.log(),
            told: Vec::new(),
            data: cluster.data(),
            folder: cluster.writable_folder(),
            seen_lsn: from_lsn.clone(),
            from_lsn,
            records: String::new(),
        }
    }

    /// Looks at what can be looked at after each statement.
    pub async fn look(&mut self) -> Signals {
        let Ok(row) = self.admin.query_one(include_str!("corpus/state.sql"), &[]).await else {
            return Signals::from([("server".to_owned(), "gone".to_owned())]);
        };
        let state: BTreeMap<String, serde_json::Value> = serde_json::from_str(row.get(0)).unwrap();
        let mut signals: Signals = state
            .into_iter()
            .map(|(kind, value)| (kind, value.to_string()))
            .collect();
        let lsn = signals.remove("insert_lsn").unwrap().replace('"', "");
        signals.insert("wal".to_owned(), self.wal(lsn).await);
        while self.notes.try_recv().is_ok() {
            self.heard += 1;
        }
        signals.insert("notification".to_owned(), self.heard.to_string());
        signals.insert("log".to_owned(), self.new_in_log());
        signals.insert("folder".to_owned(), files(&self.folder, &[]));
        signals
    }

    /// Looks until nothing differs from `before` that only needs a moment.
    pub async fn look_settled(&mut self, before: &Signals) -> Signals {
        let until = Instant::now() + SETTLES_WITHIN;
        loop {
            let now = self.look().await;
            // With nothing to compare with, all that is waited for is that our own sessions are at rest.
            let mut unsettled = if before.is_empty() {
                Vec::new()
            } else {
                changed(before, &now)
            };
            if before.is_empty() && now.get("left_open").is_some_and(|left| left != "null") {
                unsettled.push("left_open".to_owned());
            }
            let only_settling = unsettled.iter().all(|kind| SETTLING.contains(&kind.as_str()));
            if unsettled.is_empty() || !only_settling || Instant::now() > until {
                return now;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Looks at everything, table by table and file by file.
    pub async fn look_closely(&mut self, before: &Signals) -> Signals {
        let mut signals = self.look_settled(before).await;
        for row in self
            .admin
            .query(include_str!("corpus/contents.sql"), &[])
            .await
            .unwrap()
        {
            let (name, digest): (String, Option<String>) = (row.get(0), row.get(1));
            let kind = match name.starts_with("pg_") {
                true => "catalogs",
                false => "contents",
            };
            let all = signals.entry(kind.to_owned()).or_default();
            all.push_str(&format!("{name}={} ", digest.unwrap_or_default()));
        }
        // What holds the WAL, counters and caches changes whoever reads.
        let skipped = [
            "pg_wal",
            "pg_stat_tmp",
            "pg_stat",
            "pg_internal.init",
            "pg_xact",
            "pg_subtrans",
            "postmaster.pid",
        ];
        signals.insert("files".to_owned(), files(&self.data, &skipped));
        signals
    }

    async fn wal(&mut self, lsn: String) -> String {
        if lsn != self.seen_lsn {
            // Only what was flushed can be read back; the WAL writer does that soon.
            let until = Instant::now() + Duration::from_secs(1);
            let flushed = "SELECT pg_current_wal_flush_lsn() >= $1::text::pg_lsn";
            while !self.admin.query_one(flushed, &[&lsn]).await.unwrap().get::<_, bool>(0) && Instant::now() < until {
                sleep(Duration::from_millis(5)).await;
            }
            let records = "SELECT resource_manager || '/' || split_part(record_type, ' ', 1), count(*)
                 FROM public.pg_get_wal_records_info($1::text::pg_lsn, pg_current_wal_flush_lsn()) GROUP BY 1 ORDER BY 1";
            let rows = self.admin.query(records, &[&self.from_lsn]).await.unwrap_or_default();
            self.records = rows
                .iter()
                .map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1)))
                .filter(|(record, _)| !OWN_WAL.contains(&record.as_str()))
                .map(|(record, count)| format!("{record}:{count} "))
                .collect();
            self.seen_lsn = lsn;
        }
        self.records.clone()
    }

    fn new_in_log(&mut self) -> String {
        let bytes = fs::read(&self.log).unwrap();
        let new = String::from_utf8_lossy(bytes.get(self.read..).unwrap_or_default()).into_owned();
        let whole = new.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        let own = format!("[{}]", self.admin.pid);
        for line in new[..whole].lines() {
            let told = ["LOG:  ", "FATAL:  ", "PANIC:  "]
                .iter()
                .any(|level| line.contains(level));
            if told && !line.contains(&own) && !NOISE.iter().any(|noise| line.contains(noise)) {
                self.told.push(line.to_owned());
            }
        }
        format!("{} {}", self.told.len(), self.told.last().cloned().unwrap_or_default())
    }
}

/// Returns the kinds that differ.
pub fn changed(before: &Signals, after: &Signals) -> Vec<String> {
    let both = before
        .keys()
        .chain(after.keys().filter(|kind| !before.contains_key(*kind)));
    // A kind that only the close look knows is not compared with a short one.
    both.filter(|kind| match (before.get(*kind), after.get(*kind)) {
        (Some(before), Some(after)) => before != after,
        _ => kind.as_str() == "server",
    })
    .cloned()
    .collect()
}

/// Returns what is new in each kind that differs, in short.
pub fn difference(before: &Signals, after: &Signals) -> String {
    let tell = |kind: String| {
        let (old, new) = (
            &before.get(&kind).cloned().unwrap_or_default(),
            &after.get(&kind).cloned().unwrap_or_default(),
        );
        let known: HashSet<&str> = old.split_whitespace().collect();
        let fresh: Vec<&str> = new.split_whitespace().filter(|word| !known.contains(word)).collect();
        match fresh.is_empty() {
            true => format!("{kind}: `{old:.200}` became `{new:.200}`"),
            false => format!("{kind}: {:.300}", fresh.join(" ")),
        }
    };
    changed(before, after)
        .into_iter()
        .map(tell)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Lists the files under `folder` with their sizes, but for those whose name is in `skipped`.
fn files(folder: &Path, skipped: &[&str]) -> String {
    let mut list = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if skipped.contains(&entry.file_name().to_str().unwrap()) {
                continue;
            }
            match about.is_dir() {
                true => left.push(entry.path()),
                false => list.push(format!("{}:{}", entry.path().display(), about.len())),
            }
        }
    }
    list.sort();
    list.join(" ")
}
