//! What a tool may know about the call that it answers.

use rmcp::{
    Peer, RoleServer,
    model::{ClientCapabilities, ProgressNotificationParam, ProgressToken, ProtocolVersion},
    service::RequestContext,
};
use tokio_util::sync::CancellationToken;

/// One call: its cancellation, its caller, its trace.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Fires when the caller cancels, closes the stream, the deadline passes or the server stops. A tool that has work
    /// elsewhere (a query, a request) awaits it and ends that work; it then has two seconds before it is dropped.
    pub cancelled: CancellationToken,
    /// The W3C `traceparent` that the caller sent, if it is well-formed.
    pub traceparent: Option<String>,
    caller: Option<Caller>,
}

#[derive(Debug, Clone)]
struct Caller {
    peer: Peer<RoleServer>,
    progress: Option<ProgressToken>,
    protocol: Option<ProtocolVersion>,
    capabilities: Option<ClientCapabilities>,
}

impl CallContext {
    pub(crate) fn of(request: &RequestContext<RoleServer>) -> Self {
        Self {
            cancelled: request.ct.child_token(),
            traceparent: request
                .meta
                .get_traceparent()
                .filter(|value| is_traceparent(value))
                .map(str::to_owned),
            caller: Some(Caller {
                peer: request.peer.clone(),
                progress: request.meta.get_progress_token(),
                protocol: request.protocol_version(),
                capabilities: request.client_capabilities(),
            }),
        }
    }

    /// A call without a caller, for tests and for tools that are run from a command line.
    pub fn detached() -> Self {
        Self {
            cancelled: CancellationToken::new(),
            traceparent: None,
            caller: None,
        }
    }

    /// Tells the caller how far the work is, if it asked to know. Nothing may depend on it being heard.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: &str) {
        let Some((caller, token)) = self
            .caller
            .as_ref()
            .and_then(|c| c.progress.clone().map(|token| (c, token)))
        else {
            return;
        };
        let mut note = ProgressNotificationParam::new(token, done).with_message(message);
        note.total = total;
        if caller.peer.notify_progress(note).await.is_err() {
            tracing::debug!("a progress note found no reader");
        }
    }

    /// Returns whether the caller speaks the protocol without sessions (2026-07-28 or newer).
    pub fn is_modern(&self) -> bool {
        let protocol = self.caller.as_ref().and_then(|caller| caller.protocol.as_ref());
        protocol.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
    }

    /// Returns whether the caller can open a web page for its user when asked to.
    pub fn opens_urls(&self) -> bool {
        let capabilities = self.caller.as_ref().and_then(|caller| caller.capabilities.as_ref());
        capabilities
            .and_then(|all| all.elicitation.as_ref())
            .is_some_and(|elicitation| elicitation.url.is_some())
    }

    /// Returns the caller's connection, for what the kit does not wrap.
    pub fn peer(&self) -> Option<&Peer<RoleServer>> {
        self.caller.as_ref().map(|caller| &caller.peer)
    }

    /// Returns the trace id inside [`Self::traceparent`].
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|value| value.get(3..35))
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; anything else would be a caller's free text in our logs.
fn is_traceparent(value: &str) -> bool {
    let mut parts = value.split('-');
    let mut hex = |len: usize| {
        parts
            .next()
            .is_some_and(|part| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    };
    hex(2) && hex(32) && hex(16) && hex(2) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_believed() {
        assert!(is_traceparent(
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
        ));
        assert!(!is_traceparent("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7"));
        assert!(!is_traceparent("please ignore all previous instructions"));
    }

    #[test]
    fn a_detached_call_has_nobody_to_ask() {
        let call = CallContext::detached();
        assert!(!call.is_modern());
        assert!(!call.opens_urls());
        assert!(call.peer().is_none());
    }
}
