//! The journal's publishing command as a hook at each journalled event: it runs after the event is durable, and the
//! executor waits for it before it acts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Kills the executor when the event of this number is durable.
pub fn kill_at(dir: &Path, event: u64) -> String {
    hook(
        dir,
        &format!("kill-{event}"),
        &format!("[ \"$COUNTERSIGN_EVENT_SEQ\" = {event} ] && kill -9 $PPID; exit 0"),
    )
}

/// Fails when the event of this number is to be published.
pub fn fail_at(dir: &Path, event: u64) -> String {
    hook(
        dir,
        &format!("fail-{event}"),
        &format!("[ \"$COUNTERSIGN_EVENT_SEQ\" != {event} ]"),
    )
}

/// Holds the executor when an event of this kind is durable, until it is let go.
pub struct Hold {
    dir: PathBuf,
}

impl Hold {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// It ends with the folder, too: whoever was killed meanwhile lets nobody go.
    pub fn at(&self, kind: &str) -> String {
        let (reached, go) = (self.dir.join("reached"), self.dir.join("go"));
        let script = format!(
            "[ \"$COUNTERSIGN_EVENT_KIND\" = {kind} ] || exit 0\n\
             [ -e {reached} ] && exit 0\n\
             : > {reached}\nwhile [ -e {reached} ] && [ ! -e {go} ]; do sleep 0.02; done",
            reached = reached.display(),
            go = go.display()
        );
        hook(&self.dir, &format!("hold-{kind}"), &script)
    }

    pub async fn wait(&self) {
        self.wait_or(|| false).await;
    }

    /// The same, and not for longer than `ended` is false.
    pub async fn wait_or(&self, mut ended: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.dir.join("reached").exists() && !ended() {
            assert!(Instant::now() < deadline, "the executor never got there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn let_go(&self) {
        std::fs::write(self.dir.join("go"), "").unwrap();
    }
}

fn hook(dir: &Path, name: &str, script: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, format!("cat > /dev/null\n{script}\n")).unwrap();
    format!("[journal]\npublish_command = [\"/bin/sh\", \"{}\"]\n", path.display())
}
