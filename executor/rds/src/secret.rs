//! A secret that must not be printed, copied or written down.

use zeroize::Zeroizing;

/// A password or token: no `Debug`, no `Display`, no `Serialize`, no `Clone`; wiped when it is dropped.
///
/// ```compile_fail,E0277
/// fn print(secret: &rds::Secret) -> String { format!("{secret:?}") }
/// ```
/// ```compile_fail,E0599
/// fn twice(secret: rds::Secret) -> (rds::Secret, rds::Secret) { (secret.clone(), secret) }
/// ```
/// ```compile_fail,E0277
/// fn leak(secret: &rds::Secret) -> String { serde_json::to_string(secret).unwrap() }
/// ```
#[must_use]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Returns the value. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
