//! Finds the password in `.pgpass`, by libpq's rules: the file that PGPASSFILE names, or the one in the home folder.

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::{dsn::Dsn, wire::Host};

/// Group and others.
const NOT_THE_OWNERS: u32 = 0o077;

/// Returns the first password whose line fits, or nothing: a missing file is no error, as in libpq. A file that others
/// may read is said to be one on stderr, and not used.
pub fn from_environment(dsn: &Dsn) -> Option<String> {
    let path = env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = path.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pgpass")))?;
    let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    if about.permissions().mode() & NOT_THE_OWNERS != 0 {
        eprintln!(
            "warning: password file `{}` is not used, because others may read it; permissions should be u=rw (0600)",
            path.display()
        );
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let host = match &dsn.host {
        Host::Name(name) => name.as_str(),
        Host::Socket(_) => "localhost",
    };
    find(&text, [host, &dsn.port.to_string(), &dsn.database, &dsn.user])
}

fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let (password, names) = fields.split_last()?;
        let fits =
            names.len() == wanted.len() && names.iter().zip(wanted).all(|(have, want)| have == "*" || have == want);
        fits.then(|| password.clone())
    })
}

/// Splits at colons; a backslash takes the next character as it is.
fn split(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => field.extend(chars.next()),
            ':' => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let file = "# comment\nother:5432:*:*:no\n*:*:orders:ana:a\\:b\\\\c\n*:*:*:*:late\n";
        assert_eq!(find(file, ["db", "5432", "orders", "ana"]).as_deref(), Some("a:b\\c"));
        assert_eq!(find(file, ["db", "5432", "orders", "bob"]).as_deref(), Some("late"));
        assert_eq!(find("db:1:x:y", ["db", "1", "x", "y"]), None);
    }
}
