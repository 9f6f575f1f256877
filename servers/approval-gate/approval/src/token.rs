//! Tokens: one signed statement per person, packed for the way. A token proves nothing until it is verified.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use runbooks::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::{Envelope, GRANT_TYPE},
    grant::Grant,
    strict,
};

/// Signed statements, as the agent hands them back. It is no secret, yet logs and journals keep only its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    envelopes: Vec<Envelope>,
    text: String,
}

/// Why text is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("there is no token")]
    Missing,
    #[error("malformed token: {0}")]
    Malformed(String),
}

impl Token {
    /// Packs 1 to 16 envelopes.
    pub fn new(envelopes: Vec<Envelope>) -> Result<Self, TokenError> {
        let body = Body {
            schema: SCHEMA.to_owned(),
            envelopes,
        };
        body.check()?;
        let json = strict::canonical(&body).map_err(TokenError::Malformed)?;
        let text = BASE64_URL_SAFE_NO_PAD.encode(json);
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed("it is too long".to_owned()));
        }
        Ok(Self {
            envelopes: body.envelopes,
            text,
        })
    }

    /// Reads a token; it has exactly one spelling.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Missing);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed("it is too long".to_owned()));
        }
        // The engine also refuses a last character with bits that carry nothing.
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| TokenError::Malformed(error.to_string()))?;
        let body: Body = strict::parse(&json).map_err(TokenError::Malformed)?;
        body.check()?;
        Ok(Self {
            envelopes: body.envelopes,
            text: text.to_owned(),
        })
    }

    /// Returns the text: base64url of canonical JSON.
    pub fn encode(&self) -> &str {
        &self.text
    }

    /// Returns the digest that stands for the token in logs and journals.
    pub fn hash(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// Tells whether it holds a grant rather than statements about one plan.
    pub(crate) fn is_grant(&self) -> bool {
        self.envelopes
            .first()
            .is_some_and(|envelope| envelope.payload_type == GRANT_TYPE)
    }

    /// Returns the id of the grant that it holds, for the verifier to look up in its own books; nothing is verified yet.
    pub fn grant_id(&self) -> Option<String> {
        let envelope = self.envelopes.first().filter(|_| self.is_grant())?;
        let (payload, _) = envelope.open(GRANT_TYPE).ok()?;
        Grant::parse(&payload).ok()?.terms.id().ok()
    }

    /// Returns the envelopes, none of them verified.
    pub fn envelopes(&self) -> &[Envelope] {
        &self.envelopes
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({})", self.hash())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    schema: String,
    envelopes: Vec<Envelope>,
}

impl Body {
    fn check(&self) -> Result<(), TokenError> {
        if self.schema != SCHEMA {
            return Err(TokenError::Malformed(format!("schema must be `{SCHEMA}`")));
        }
        if self.envelopes.is_empty() || self.envelopes.len() > MAX_ENVELOPES {
            return Err(TokenError::Malformed(format!(
                "it must have 1 to {MAX_ENVELOPES} envelopes"
            )));
        }
        Ok(())
    }
}

const SCHEMA: &str = "countersign.token.v1";
const MAX_ENVELOPES: usize = 16;
const MAX_TOKEN_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::test_support::Scene;

    #[test]
    fn a_token_reads_back_and_has_one_spelling() {
        let token = Scene::new().token(&["alice"]);
        assert_eq!(Token::parse(token.encode()).unwrap(), token);
        assert_eq!(format!("{token:?}"), format!("Token({})", token.hash()));
        for odd in [
            format!("{}=", token.encode()),
            format!(" {}", token.encode()),
            format!("{}\n", token.encode()),
            token.encode().replace('_', "/"),
            "null".to_owned(),
            BASE64_URL_SAFE_NO_PAD.encode(r#"{"envelopes":[],"schema":"countersign.token.v1"}"#),
            "A".repeat(MAX_TOKEN_BYTES + 1),
        ] {
            if odd != token.encode() {
                assert!(matches!(Token::parse(&odd), Err(TokenError::Malformed(_))), "{odd}");
            }
        }
        assert!(matches!(Token::parse(""), Err(TokenError::Missing)));
    }

    #[test]
    fn no_envelopes_and_too_many_are_no_token() {
        assert!(Token::new(Vec::new()).is_err());
        let one = Scene::new().token(&["alice"]).envelopes().first().unwrap().clone();
        assert!(Token::new(vec![one; MAX_ENVELOPES + 1]).is_err());
    }
}
