//! Reads connection strings as libpq knows them: `postgres://…` and `key=value …`. Errors name keys, never values.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::wire::Host;

/// What a connection string says. No `Debug`: it may hold a password.
pub struct Dsn {
    pub host: Host,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<PathBuf>,
    pub connect_timeout: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    #[error("it is neither `postgres://user@host:port/database` nor `host=… dbname=… user=…`")]
    Shape,
    #[error("it names several hosts; one is wanted")]
    SeveralHosts,
    #[error("it names no user")]
    NoUser,
    #[error("`{0}` has no usable value")]
    BadValue(&'static str),
    #[error("`{0}` is not known here")]
    UnknownKey(String),
}

/// Options that change nothing here, because what they set is always set by the server itself, or has one way to be.
const WITHOUT_EFFECT: [&str; 9] = [
    "application_name",
    "fallback_application_name",
    "channel_binding",
    "client_encoding",
    "gssencmode",
    "keepalives",
    "keepalives_idle",
    "target_session_attrs",
    "sslsni",
];
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Parses a connection string.
pub fn parse(text: &str) -> Result<Dsn, DsnError> {
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let mut keys = if is_url {
        keys_of_url(text)?
    } else {
        keys_of_pairs(text)?
    };
    let mut take = |key: &str| keys.remove(key).filter(|value| !value.is_empty());
    let host = take("hostaddr")
        .or_else(|| take("host"))
        .unwrap_or_else(|| "localhost".to_owned());
    let port = take("port").map_or(Ok(5432), |port| port.parse().map_err(|_| DsnError::BadValue("port")))?;
    let user = take("user").ok_or(DsnError::NoUser)?;
    let database = take("dbname").unwrap_or_else(|| user.clone());
    let password = take("password");
    let sslmode = take("sslmode");
    if sslmode.as_deref().is_some_and(|mode| !SSL_MODES.contains(&mode)) {
        return Err(DsnError::BadValue("sslmode"));
    }
    let sslrootcert = take("sslrootcert").filter(|path| path != "system").map(PathBuf::from);
    let connect_timeout = take("connect_timeout")
        .map(|seconds| seconds.parse().map_err(|_| DsnError::BadValue("connect_timeout")))
        .transpose()?
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    if let Some(key) = keys.keys().find(|key| !WITHOUT_EFFECT.contains(&key.as_str())) {
        return Err(DsnError::UnknownKey(kit::text::clean(key, 40)));
    }
    if host.contains(',') {
        return Err(DsnError::SeveralHosts);
    }
    let host = if host.starts_with('/') {
        Host::Socket(PathBuf::from(host))
    } else {
        Host::Name(host)
    };
    Ok(Dsn {
        host,
        port,
        user,
        password,
        database,
        sslmode,
        sslrootcert,
        connect_timeout,
    })
}

fn keys_of_url(text: &str) -> Result<BTreeMap<String, String>, DsnError> {
    let (_, rest) = text.split_once("://").ok_or(DsnError::Shape)?;
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => address.rsplit_once(':').unwrap_or((address, "")),
    };
    let mut keys = BTreeMap::new();
    for (key, value) in [
        ("user", user),
        ("password", password),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ] {
        keys.insert(key.to_owned(), decoded(value).ok_or(DsnError::BadValue(key))?);
    }
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').ok_or(DsnError::Shape)?;
        let key = decoded(key).ok_or(DsnError::Shape)?;
        keys.insert(key, decoded(value).ok_or(DsnError::Shape)?);
    }
    Ok(keys)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn keys_of_pairs(text: &str) -> Result<BTreeMap<String, String>, DsnError> {
    let mut keys = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or(DsnError::Shape)?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(DsnError::Shape);
        }
        let (value, after) = pair_value(after.trim_start())?;
        keys.insert(key.to_owned(), value);
        rest = after.trim_start();
    }
    Ok(keys)
}

/// Reads one value, which may stand in single quotes; a backslash takes the next character as it is.
fn pair_value(text: &str) -> Result<(String, &str), DsnError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next().ok_or(DsnError::Shape)?.1),
            '\'' if quoted => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            c if !quoted && c.is_whitespace() => return Ok((value, text.get(at..).unwrap_or_default())),
            c => value.push(c),
        }
    }
    if quoted { Err(DsnError::Shape) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    #[test]
    fn a_url_is_read_with_its_escapes() {
        let dsn =
            parse("postgresql://an%40a:p%3Ass%2F@db.example.com:6432/orders?sslmode=verify-full&connect_timeout=3")
                .unwrap();
        assert_eq!((dsn.user.as_str(), dsn.password.as_deref()), ("an@a", Some("p:ss/")));
        assert_eq!(
            (dsn.host, dsn.port, dsn.database.as_str()),
            (Host::Name("db.example.com".into()), 6432, "orders")
        );
        assert_eq!(dsn.connect_timeout, Some(Duration::from_secs(3)));
    }

    #[test]
    fn pairs_are_read_with_their_quotes() {
        let dsn = parse(r"host=::1 user = ana password='it\'s = this' dbname=orders").unwrap();
        assert_eq!(dsn.password.as_deref(), Some("it's = this"));
        assert_eq!((dsn.host, dsn.port), (Host::Name("::1".into()), 5432));
    }

    #[test]
    fn a_socket_folder_and_an_address_in_brackets_are_hosts() {
        assert_eq!(
            parse("postgres://ana@%2Frun%2Fpg/x").unwrap().host,
            Host::Socket("/run/pg".into())
        );
        assert_eq!(
            parse("postgres://ana@/x?host=/run/pg").unwrap().host,
            Host::Socket("/run/pg".into())
        );
        let dsn = parse("postgres://ana@[::1]:7/x").unwrap();
        assert_eq!((dsn.host, dsn.port), (Host::Name("::1".into()), 7));
    }

    #[test]
    fn faults_name_the_key_and_never_the_value() {
        let fault = |text| parse(text).err().unwrap();
        assert_eq!(fault("mysql://root:hunter2@db/x"), DsnError::Shape);
        assert_eq!(fault("postgres://db/x"), DsnError::NoUser);
        assert_eq!(fault("postgres://ana:hunter2@db:hunter2/x"), DsnError::BadValue("port"));
        assert_eq!(fault("postgres://ana@a,b/x"), DsnError::SeveralHosts);
        assert_eq!(fault("postgres://ana@a/x?sslmode=maybe"), DsnError::BadValue("sslmode"));
        assert_eq!(
            fault("postgres://ana@a/x?opshuns=1"),
            DsnError::UnknownKey("opshuns".into())
        );
        assert_eq!(fault("host=a user=b password='open"), DsnError::Shape);
    }
}
