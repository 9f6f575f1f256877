//! Passkeys: WebAuthn Level 3 credentials (ES256), verified offline with nothing but the listed public half.
//!
//! A challenge is the SHA-256 of the very bytes that an SSH key would sign, so that one signature covers one document of
//! one kind. The authenticator must have verified the person: presence alone is not enough.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use p256::ecdsa::{Signature as EcdsaSignature, VerifyingKey, signature::Verifier};
use runbooks::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    sshsig::{Presence, SignatureError},
    strict,
};

/// The public half of a passkey: where it counts, which credential it is, and its key. Written as one line,
/// `passkey ORIGIN CREDENTIAL_ID POINT`, the last two base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct Passkey {
    origin: String,
    credential: Vec<u8>,
    key: VerifyingKey,
}

/// Why text is no passkey.
#[derive(Debug, thiserror::Error)]
#[error("not a line such as `passkey https://gate.example.com CREDENTIAL POINT`: {0}")]
pub struct PasskeyError(String);

impl Passkey {
    /// Returns where a browser may use it: scheme, host and port of the gate's pages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the relying party's id: the origin's host.
    pub fn rp_id(&self) -> &str {
        rp_id(&self.origin)
    }

    /// Returns the credential's id, by which an authenticator finds it.
    pub fn credential(&self) -> &[u8] {
        &self.credential
    }

    /// Returns `SHA256:…` over the line, as other keys have it over theirs.
    pub fn fingerprint(&self) -> String {
        let digest = Digest::of(self.to_string().as_bytes());
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(digest.bytes()))
    }

    /// Takes what a browser returns for a new credential, which was asked for with the SHA-256 of `asked` as challenge.
    /// That it is the right person's is for whoever lists it to know: nothing here proves that.
    ///
    /// # Errors
    /// When it was made elsewhere, for another question, by nobody who was verified, or is no ES256 key.
    pub fn register(
        client_data: &[u8],
        authenticator_data: &[u8],
        asked: &[u8],
        origin: &str,
    ) -> Result<(Self, bool), SignatureError> {
        check_origin(origin).map_err(SignatureError::Malformed)?;
        check_client_data(client_data, "webauthn.create", asked, origin)?;
        let data = AuthenticatorData::parse(authenticator_data)?;
        data.check_rp(rp_id(origin))?;
        if data.flags & (USER_PRESENT | USER_VERIFIED) != USER_PRESENT | USER_VERIFIED {
            return Err(malformed("the authenticator did not verify who was there"));
        }
        let (credential, key) = new_credential(&data)?;
        let passkey = Self {
            origin: origin.to_owned(),
            credential,
            key,
        };
        Ok((passkey, data.flags & BACKUP_ELIGIBLE != 0))
    }
}

impl FromStr for Passkey {
    type Err = PasskeyError;

    fn from_str(line: &str) -> Result<Self, PasskeyError> {
        let malformed = |reason: &str| PasskeyError(reason.to_owned());
        let [kind, origin, credential, point] = line
            .split(' ')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| malformed("it must have four words"))?;
        if kind != KIND {
            return Err(malformed("its first word must be `passkey`"));
        }
        check_origin(origin).map_err(PasskeyError)?;
        let bytes = |what: &str| {
            BASE64_URL_SAFE_NO_PAD
                .decode(what)
                .map_err(|_| malformed("not base64url"))
        };
        let credential = bytes(credential)?;
        if !(1..=MAX_CREDENTIAL_BYTES).contains(&credential.len()) {
            return Err(malformed("a credential's id has 1 to 1023 bytes"));
        }
        let point = bytes(point)?;
        if point.len() != POINT_BYTES {
            return Err(malformed("its point must be uncompressed"));
        }
        let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| malformed("its point is not on the curve"))?;
        Ok(Self {
            origin: origin.to_owned(),
            credential,
            key,
        })
    }
}

/// Writes the line.
impl fmt::Display for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credential = BASE64_URL_SAFE_NO_PAD.encode(&self.credential);
        let point = BASE64_URL_SAFE_NO_PAD.encode(self.key.to_encoded_point(false).as_bytes());
        write!(f, "{KIND} {} {credential} {point}", self.origin)
    }
}

impl fmt::Debug for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passkey({})", self.fingerprint())
    }
}

/// What a browser returns for a challenge, and which passkey it is said to be by. It proves nothing until
/// [`Assertion::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    passkey: Passkey,
    body: Body,
    blob: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    authenticator_data: String,
    client_data: String,
    passkey: String,
    signature: String,
}

impl Assertion {
    /// Packs the three byte strings of an `AuthenticatorAssertionResponse`.
    ///
    /// # Errors
    /// When they are longer than any authenticator makes them.
    pub fn new(
        passkey: &Passkey,
        client_data: &[u8],
        authenticator_data: &[u8],
        signature: &[u8],
    ) -> Result<Self, SignatureError> {
        let body = Body {
            authenticator_data: BASE64_URL_SAFE_NO_PAD.encode(authenticator_data),
            client_data: BASE64_URL_SAFE_NO_PAD.encode(client_data),
            passkey: passkey.to_string(),
            signature: BASE64_URL_SAFE_NO_PAD.encode(signature),
        };
        Self::from_blob(&strict::canonical(&body).map_err(SignatureError::Malformed)?)
    }

    /// Reads the blob: canonical JSON, so it has one spelling.
    ///
    /// # Errors
    /// When it is not.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        if blob.len() > MAX_BLOB_BYTES {
            return Err(malformed("it is too long"));
        }
        let body: Body = strict::parse(blob).map_err(SignatureError::Malformed)?;
        let passkey = body.passkey.parse().map_err(malformed)?;
        for part in [&body.authenticator_data, &body.client_data, &body.signature] {
            decode(part)?;
        }
        Ok(Self {
            passkey,
            body,
            blob: blob.to_owned(),
        })
    }

    /// Verifies that `passkey` answered for exactly these bytes, on the pages that it was made for, and returns what the
    /// authenticator says about the person's presence.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, passkey: &Passkey, message: &[u8]) -> Result<Presence, SignatureError> {
        if self.passkey != *passkey {
            return Err(SignatureError::OtherKey);
        }
        let client_data = decode(&self.body.client_data)?;
        check_client_data(&client_data, "webauthn.get", message, passkey.origin())?;
        let bytes = decode(&self.body.authenticator_data)?;
        let data = AuthenticatorData::parse(&bytes)?;
        data.check_rp(passkey.rp_id())?;
        if data.flags & NEW_CREDENTIAL != 0 || data.flags & EXTENSIONS == 0 && !data.rest.is_empty() {
            return Err(malformed("it carries more than an answer"));
        }
        let signature = EcdsaSignature::from_der(&decode(&self.body.signature)?).map_err(malformed)?;
        let signed = [bytes.as_slice(), Digest::of(&client_data).bytes()].concat();
        passkey
            .key
            .verify(&signed, &signature)
            .map_err(|_| SignatureError::Invalid)?;
        Ok(Presence::Passkey {
            touched: data.flags & USER_PRESENT != 0,
            verified: data.flags & USER_VERIFIED != 0,
            synced: data.flags & BACKUP_ELIGIBLE != 0,
        })
    }

    /// Returns how often the authenticator says it has signed; 0 when it does not count. Only after a verification does
    /// it mean anything.
    pub fn sign_count(&self) -> u32 {
        decode(&self.body.authenticator_data)
            .ok()
            .and_then(|bytes| AuthenticatorData::parse(&bytes).ok().map(|data| data.sign_count))
            .unwrap_or(0)
    }

    /// Returns the fingerprint of the passkey that claims to have answered.
    pub fn key_id(&self) -> String {
        self.passkey.fingerprint()
    }

    /// Returns the blob.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

/// The parts of WebAuthn §6.1 that are looked at.
struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    sign_count: u32,
    rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, SignatureError> {
        let short = || malformed("its authenticator data is too short");
        let (rp_id_hash, rest) = bytes.split_at_checked(32).ok_or_else(short)?;
        let (flags, rest) = rest.split_first().ok_or_else(short)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        Ok(Self {
            rp_id_hash,
            flags: *flags,
            sign_count: u32::from_be_bytes(*count),
            rest,
        })
    }

    fn check_rp(&self, rp_id: &str) -> Result<(), SignatureError> {
        if self.rp_id_hash == Digest::of(rp_id.as_bytes()).bytes() {
            Ok(())
        } else {
            Err(SignatureError::Origin {
                expected: rp_id.to_owned(),
                found: "another relying party".to_owned(),
            })
        }
    }
}

/// What the browser itself put together (WebAuthn §5.8.1). It may hold more than this, which is signed and not used.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

fn check_client_data(bytes: &[u8], kind: &str, message: &[u8], origin: &str) -> Result<(), SignatureError> {
    let data: ClientData = serde_json::from_slice(bytes).map_err(malformed)?;
    if data.kind != kind {
        return Err(SignatureError::Namespace {
            expected: kind.to_owned(),
            found: data.kind,
        });
    }
    if data.origin != origin {
        return Err(SignatureError::Origin {
            expected: origin.to_owned(),
            found: data.origin,
        });
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err(SignatureError::Origin {
            expected: origin.to_owned(),
            found: "a page inside another page".to_owned(),
        });
    }
    if data.challenge == challenge(message) {
        Ok(())
    } else {
        Err(SignatureError::Invalid)
    }
}

/// Returns the challenge for a message: base64url of its SHA-256.
pub fn challenge(message: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Digest::of(message).bytes())
}

/// The attested credential data of WebAuthn §6.5.1. An ES256 key has one encoding in CTAP2's canonical CBOR, so it is
/// compared, not parsed.
fn new_credential(data: &AuthenticatorData<'_>) -> Result<(Vec<u8>, VerifyingKey), SignatureError> {
    let odd = || malformed("it is no new ES256 credential");
    if data.flags & NEW_CREDENTIAL == 0 {
        return Err(odd());
    }
    let (_aaguid, rest) = data.rest.split_at_checked(16).ok_or_else(odd)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(odd)?;
    let (credential, rest) = rest
        .split_at_checked(usize::from(u16::from_be_bytes(*length)))
        .ok_or_else(odd)?;
    let rest = rest.strip_prefix(COSE_ES256_X).ok_or_else(odd)?;
    let (x, rest) = rest.split_at_checked(32).ok_or_else(odd)?;
    let rest = rest.strip_prefix(COSE_ES256_Y).ok_or_else(odd)?;
    let (y, rest) = rest.split_at_checked(32).ok_or_else(odd)?;
    if !(1..=MAX_CREDENTIAL_BYTES).contains(&credential.len()) || data.flags & EXTENSIONS == 0 && !rest.is_empty() {
        return Err(odd());
    }
    let point = [&[4], x, y].concat();
    let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| odd())?;
    Ok((credential.to_owned(), key))
}

/// Passkeys exist only for pages that came over TLS, and on the very machine for tries.
pub(crate) fn check_origin(origin: &str) -> Result<(), String> {
    let host_and_port = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if rest.split(':').next() == Some("localhost") => rest,
        (None, _) => return Err("an origin is `https://HOST[:PORT]`, or `http://localhost[:PORT]`".to_owned()),
    };
    let (host, port) = match host_and_port.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host_and_port, None),
    };
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let host_is_name = !host.is_empty() && host.len() <= 253 && host.chars().all(named);
    let is_address = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let port_is_number = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|n| n.to_string() == port));
    if host_is_name && !is_address && port_is_number {
        Ok(())
    } else {
        Err(format!("`{origin}` is no origin of lower-case host name and port"))
    }
}

fn rp_id(origin: &str) -> &str {
    let after_scheme = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    after_scheme.split(':').next().unwrap_or(after_scheme)
}

fn decode(text: &str) -> Result<Vec<u8>, SignatureError> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(malformed)
}

fn malformed(reason: impl ToString) -> SignatureError {
    SignatureError::Malformed(reason.to_string())
}

const KIND: &str = "passkey";
const POINT_BYTES: usize = 65;
const MAX_CREDENTIAL_BYTES: usize = 1023;
const MAX_BLOB_BYTES: usize = 16 << 10;
// The flags of WebAuthn §6.1.
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const NEW_CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;
// {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: 32 bytes, -3: 32 bytes}
const COSE_ES256_X: &[u8] = &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
const COSE_ES256_Y: &[u8] = &[0x22, 0x58, 0x20];

#[cfg(test)]
mod tests;
