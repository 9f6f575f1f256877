//! Reads lines as RDS and Aurora write them: `log_line_prefix` is `%t:%r:%u@%d:[%p]:`, then `SEVERITY:  message`.

/// The parts of one line that say what happened and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresLine<'a> {
    /// The time as PostgreSQL wrote it, to the second.
    pub time: &'a str,
    pub pid: u32,
    /// `user@database`; `@` for a background process.
    pub session: &'a str,
    pub severity: &'a str,
    pub message: &'a str,
}

impl<'a> PostgresLine<'a> {
    pub fn parse(line: &'a str) -> Option<Self> {
        // A local connection has `[local]` where others have an address, so the first bracket need not be the pid.
        let (end, start, pid) = line.match_indices("]:").find_map(|(end, _)| {
            let start = line.get(..end)?.rfind('[')?;
            let pid = line.get(start + 1..end)?;
            let pid = pid
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| pid.parse::<u32>().ok())?;
            Some((end, start, pid?))
        })?;
        let session = line.get(..start)?.strip_suffix(':')?.rsplit(':').next()?;
        let (severity, message) = line.get(end + 2..)?.split_once(':')?;
        // 2026-11-22 06:40:25 UTC: there are two colons in the time itself.
        let time = line.match_indices(':').nth(2).and_then(|(at, _)| line.get(..at))?;
        let known = !severity.is_empty() && severity.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        (known && session.contains('@')).then(|| Self {
            time,
            pid,
            session,
            severity,
            message: message.trim_start(),
        })
    }
}

/// Returns what two lines share that tell of the same thing: their text with every number replaced by `#`.
pub fn fingerprint(line: &str) -> String {
    match PostgresLine::parse(line) {
        Some(parsed) => format!(
            "{} {} {}",
            parsed.session,
            parsed.severity,
            without_numbers(parsed.message)
        ),
        None => without_numbers(line),
    }
}

pub fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn lines_of_rds_are_read() {
        for (line, session, severity, message) in [
            (
                "2026-11-22 06:40:25 UTC:127.0.0.1(59836):app@orders:[30715]:ERROR:  canceling statement due to lock timeout",
                "app@orders",
                "ERROR",
                "canceling statement due to lock timeout",
            ),
            (
                "2026-11-22 06:41:22 UTC::@:[32642]:LOG:  automatic vacuum of table",
                "@",
                "LOG",
                "automatic vacuum of table",
            ),
            (
                "2026-11-22 06:41:22 UTC:[local]:rdsadmin@rdsadmin:[7]:FATAL:  x",
                "rdsadmin@rdsadmin",
                "FATAL",
                "x",
            ),
            (
                "2026-11-22 06:41:22 UTC:::1(5432):app@orders:[7]:DEBUG1:  a: b",
                "app@orders",
                "DEBUG1",
                "a: b",
            ),
        ] {
            let parsed = PostgresLine::parse(line).unwrap();
            assert_eq!(
                (parsed.session, parsed.severity, parsed.message),
                (session, severity, message),
                "{line}"
            );
            assert!(
                parsed.time.starts_with("2026-11-22 06:4") && parsed.time.ends_with(" UTC"),
                "{line}"
            );
            assert!([30715, 32642, 7].contains(&parsed.pid), "{line}");
        }
        for line in ["", "plain", "[12]:x", "STATEMENT:  select 1", "a:[1]:ERROR:  x"] {
            assert_eq!(PostgresLine::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_same_thing_has_the_same_fingerprint() {
        let one = "2026-11-22 06:40:25 UTC:10.0.0.1(1):app@orders:[38]:LOG:  process 38 still waiting for ShareLock on transaction 733";
        let two = "2026-11-22 07:11:09 UTC:10.0.0.2(2):app@orders:[39]:LOG:  process 4711 still waiting for ShareLock on transaction 5";
        let other = "2026-11-22 07:11:09 UTC:10.0.0.2(2):etl@orders:[39]:LOG:  process 39 still waiting for ShareLock on transaction 5";
        assert_eq!(fingerprint(one), fingerprint(two));
        assert_ne!(fingerprint(one), fingerprint(other));
    }
}
