//! Whether bytes over HTTP are Slack's, and new. Nothing of them is looked at before.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use kit::Secret;
use runbooks::Timestamp;

use super::super::mac::{self, Proven};
use super::super::word::refused;
use crate::refusal::Refusal;

/// A body that Slack signed within the window. It is made by checking the signature and by nothing else.
#[derive(Debug)]
#[must_use]
pub struct Signed<'a> {
    body: &'a [u8],
}

/// Signatures that were taken within the window.
#[derive(Default)]
pub struct Replays(Mutex<BTreeMap<Proven, i64>>);

impl<'a> Signed<'a> {
    /// Checks time, signature and newness, in this order.
    ///
    /// # Errors
    /// When one of them is not right; the refusal says which and never what would be.
    pub fn check(
        headers: &HeaderMap,
        body: &'a [u8],
        secret: &Secret<String>,
        replays: &Replays,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let unsigned = || refused("channel_bad_signature", "this is not signed by Slack");
        let time = only(headers, "x-slack-request-timestamp").ok_or_else(unsigned)?;
        let signature = only(headers, "x-slack-signature").and_then(|value| value.strip_prefix("v0="));
        let at: i64 = time.parse().map_err(|_| unsigned())?;
        if now.unix().abs_diff(at) > WINDOW_S {
            return Err(refused(
                "channel_stale",
                "this was signed too long ago, or by another clock",
            ));
        }
        let parts = [b"v0:", time.as_bytes(), b":", body];
        let proven = mac::verify(secret, &parts, signature.ok_or_else(unsigned)?).ok_or_else(unsigned)?;
        replays.take(proven, at, now)?;
        Ok(Self { body })
    }

    /// What Slack signed.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl Replays {
    fn take(&self, proven: Proven, at: i64, now: Timestamp) -> Result<(), Refusal> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, at| now.unix().abs_diff(*at) <= WINDOW_S);
        // Forgetting early would let something in twice; only Slack's own clicks get this far.
        if taken.len() >= MAX_TAKEN || taken.insert(proven, at).is_some() {
            return Err(refused("channel_replayed", "this was taken before"));
        }
        Ok(())
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

const WINDOW_S: u64 = 300;
const MAX_TAKEN: usize = 20_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    /// The example of Slack's own documentation, "Verifying requests from Slack".
    #[test]
    fn the_vendor_s_own_example_is_taken_once() {
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
            &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
            &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
            &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let secret = Secret::new("8f742231b10e8888abcd99yyyzzz85a5".to_owned());
        let signature = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let headers = |signature: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-slack-request-timestamp", "1531420618".parse().unwrap());
            headers.insert("x-slack-signature", format!("v0={signature}").parse().unwrap());
            headers
        };
        let replays = Replays::default();
        let check = |signature: &str, now: i64| {
            let headers = headers(signature);
            let checked = Signed::check(&headers, body, &secret, &replays, Timestamp::from_unix(now));
            checked.map(|_| ()).map_err(|refusal| refusal.code)
        };
        let now = 1_531_420_618;
        assert_eq!(check(signature, now + 301), Err("channel_stale"));
        assert_eq!(check(signature, now - 301), Err("channel_stale"));
        assert_eq!(check(&signature.replace('a', "b"), now), Err("channel_bad_signature"));
        assert_eq!(check("", now), Err("channel_bad_signature"));
        assert_eq!(check(signature, now + 300), Ok(()));
        assert_eq!(check(signature, now), Err("channel_replayed"));
        assert_eq!(check(&signature.to_uppercase(), now), Err("channel_replayed"));
    }
}
