//! HMAC-SHA256 as both vendors use it, compared in constant time. The right one is never made visible.

use hmac::{Hmac, Mac};
use kit::Secret;
use sha2::Sha256;

/// A code that was found to be right.
pub type Proven = Vec<u8>;

/// Returns the code's bytes if it is the secret's over these parts; never by how it was spelled.
pub fn verify(secret: &Secret<String>, parts: &[&[u8]], hex_digits: &str) -> Option<Proven> {
    let given = hex::decode(hex_digits).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(&given).ok()?;
    Some(given)
}
