//! Values that must not be printed, copied or written down.

use serde::{Deserialize, Deserializer, Serializer};

/// A secret: no `Debug`, no `Display`, no `Serialize`, no `Clone`. It leaves only through [`Secret::expose`].
///
/// ```compile_fail
/// let secret = kit::Secret::new("hunter2".to_owned());
/// println!("{secret:?}");
/// ```
/// ```compile_fail
/// let secret = kit::Secret::new("hunter2".to_owned());
/// serde_json::to_string(&secret);
/// ```
/// ```compile_fail
/// let secret = kit::Secret::new("hunter2".to_owned());
/// let copy = secret.clone();
/// ```
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Writes `***` in place of a secret: `#[serde(serialize_with = "kit::masked")]`, for `--print-config`.
pub fn masked<T, S: Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}
