//! Speaks to approval-gate: offers a plan, asks how it stands, hands the token over, reads the execution.

use std::fmt;

use incident::{ExecutionTicket, RequestTicket, ReviewNote};
use kit::Secret;
use runbooks::{Digest, Evidence};
use serde_json::{Map, Value, json};

use crate::config::{GateSection, ServerSection};
use crate::toolbelt::{CallError, McpServer};

const KIND: &str = "approval-gate";

/// The gate as we see it. It decides everything; we only ask.
pub struct Gate {
    server: McpServer,
}

/// What the gate says about a plan.
pub enum Standing {
    /// People still have to sign.
    Pending {
        ticket: RequestTicket,
    },
    /// Enough people have signed; the token is good for this plan, once.
    Approved {
        ticket: RequestTicket,
        token: Token,
    },
    Rejected {
        message: String,
    },
    Expired {
        message: String,
    },
    /// Policy, or the plan itself: it never reached a human.
    Refused {
        code: String,
        message: String,
        by_policy: bool,
    },
    /// The plan has become an order.
    Ordered {
        ticket: ExecutionTicket,
    },
}

/// An approval token: bound to one plan and one use, and still not for any log.
pub struct Token(Secret<String>);

/// A request as everyone may see it; it never holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLook {
    /// `pending` until people or a clock have decided.
    pub status: String,
    pub approvers: Vec<String>,
    /// The grant that covers the plan, if nobody was asked.
    pub grant: Option<String>,
    /// How people read it.
    pub reviews: Vec<ReviewNote>,
    pub slow_review: Option<String>,
}

/// How far an execution is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// `queued`, `claimed`, `done` or `lapsed`.
    pub status: String,
    /// What the executor says it came to, once it is done.
    pub outcome: Option<String>,
    pub report: Value,
}

impl Gate {
    #[must_use]
    pub fn new(section: &GateSection) -> Self {
        Self {
            server: McpServer::new(KIND, ServerSection::at(KIND, section.url.clone())),
        }
    }

    pub async fn start(&self) -> Result<(), CallError> {
        self.server.start().await
    }

    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Offers the plan, or asks how it stands: the same call, told apart by the plan's digest alone. Repeating it is safe.
    /// `advice` is shown to people, and decides nothing.
    pub async fn offer(
        &self,
        plan: &str,
        evidence: &[Evidence],
        advice: Option<&Value>,
    ) -> Result<Standing, CallError> {
        self.execute_plan(plan, evidence, advice, None).await
    }

    /// Turns the token into an order. The gate takes each token once, and names the order when it is asked again.
    pub async fn hand_over(&self, plan: &str, evidence: &[Evidence], token: &Token) -> Result<Standing, CallError> {
        self.execute_plan(plan, evidence, None, Some(token)).await
    }

    /// How the request stands, without offering the plan again.
    pub async fn request(&self, id: &str) -> Result<RequestLook, CallError> {
        let body = self.server.read(&format!("approval://requests/{id}")).await?;
        let status = body
            .get("status")
            .and_then(Value::as_str)
            .ok_or_else(|| malformed("the request has no status"))?;
        Ok(RequestLook {
            status: status.to_owned(),
            ..read_look(&body)
        })
    }

    pub async fn execution(&self, id: &str) -> Result<Progress, CallError> {
        let body = self.server.read(&format!("approval://executions/{id}")).await?;
        read_progress(body).ok_or_else(|| malformed("the execution has no progress"))
    }

    async fn execute_plan(
        &self,
        plan: &str,
        evidence: &[Evidence],
        advice: Option<&Value>,
        token: Option<&Token>,
    ) -> Result<Standing, CallError> {
        let evidence = serde_json::to_value(evidence).map_err(|e| malformed(&e.to_string()))?;
        let mut arguments = Map::from_iter([("plan".to_owned(), json!(plan)), ("evidence".to_owned(), evidence)]);
        if let Some(advice) = advice {
            arguments.insert("advice".to_owned(), advice.clone());
        }
        if let Some(token) = token {
            arguments.insert("approval_token".to_owned(), json!(token.0.expose()));
        }
        match self.server.call("execute_plan", arguments).await {
            Ok(body) => Ok(Standing::Ordered {
                ticket: read_ticket(&body).ok_or_else(|| malformed("the order has no id"))?,
            }),
            Err(CallError::Refused {
                tool,
                code,
                message,
                structured,
            }) => read_refusal(&code, &message, &structured).ok_or(CallError::Refused {
                tool,
                code,
                message,
                structured,
            }),
            Err(other) => Err(other),
        }
    }
}

impl Token {
    /// What may be written down in its place.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.expose().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.hash())
    }
}

/// `None`: a refusal that says nothing about the plan, as a gate that is out of order.
fn read_refusal(code: &str, message: &str, body: &Value) -> Option<Standing> {
    let message = message.to_owned();
    match code {
        "approval_required" => read_required(message, body),
        "already_used" => Some(Standing::Ordered {
            ticket: read_ticket(body)?,
        }),
        "denied" | "rejected" => Some(Standing::Rejected { message }),
        "approval_expired" | "execution_expired" | "expired" => Some(Standing::Expired { message }),
        "policy_denied" => Some(Standing::Refused {
            code: first_denial(body).unwrap_or_else(|| code.to_owned()),
            message,
            by_policy: true,
        }),
        // A refusal that may pass by itself is not a word on the plan.
        _ if body.get("retryable") == Some(&Value::Bool(true)) => None,
        _ if code.starts_with("mcp_") => None,
        _ => Some(Standing::Refused {
            code: code.to_owned(),
            message,
            by_policy: false,
        }),
    }
}

fn read_required(message: String, body: &Value) -> Option<Standing> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let ticket = RequestTicket {
        request_id: text("request_id")?.to_owned(),
        plan_digest: text("plan_digest")?.parse().ok()?,
        approval_url: text("approval_url")?.to_owned(),
        expires_at: text("expires_at")?.to_owned(),
    };
    match text("status")? {
        "pending" => Some(Standing::Pending { ticket }),
        "approved" => {
            let token = Token(Secret::new(text("approval_token")?.to_owned()));
            Some(Standing::Approved { ticket, token })
        }
        "rejected" => Some(Standing::Rejected { message }),
        "expired" => Some(Standing::Expired { message }),
        _ => None,
    }
}

fn first_denial(body: &Value) -> Option<String> {
    Some(body.pointer("/denials/0/code")?.as_str()?.to_owned())
}

fn read_ticket(body: &Value) -> Option<ExecutionTicket> {
    let execution_id = body.get("execution_id")?.as_str()?.to_owned();
    let order_id = body
        .get("order_id")
        .and_then(Value::as_str)
        .unwrap_or(&execution_id)
        .to_owned();
    Some(ExecutionTicket { execution_id, order_id })
}

fn read_look(body: &Value) -> RequestLook {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let all = value.and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    let signed = body.get("approvals").and_then(Value::as_array).into_iter().flatten();
    let mut approvers = Vec::new();
    let mut reviews = Vec::new();
    for one in signed {
        let Some(approver) = one.get("approver").and_then(Value::as_str) else {
            continue;
        };
        approvers.push(approver.to_owned());
        let took_s = one.pointer("/review/took_s").and_then(Value::as_u64);
        let parts = one.pointer("/review/parts").cloned().unwrap_or_default();
        if let Some(took_s) = took_s {
            reviews.push(ReviewNote {
                approver: approver.to_owned(),
                took_s: u32::try_from(took_s).unwrap_or(u32::MAX),
                longest: serde_json::from_value(parts).unwrap_or_default(),
            });
        }
    }
    let ahead = body.get("granted");
    approvers.extend(texts(ahead.and_then(|granted| granted.get("approvers"))));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    RequestLook {
        status: String::new(),
        approvers,
        grant: text(ahead.and_then(|granted| granted.get("grant"))),
        reviews,
        slow_review: text(body.get("slow_review")),
    }
}

fn read_progress(body: Value) -> Option<Progress> {
    let word = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let status = word("/status").or_else(|| word("/progress/is"))?;
    let outcome = word("/outcome").or_else(|| word("/progress/outcome"));
    Some(Progress {
        status,
        outcome,
        report: body,
    })
}

fn malformed(reason: &str) -> CallError {
    CallError::Malformed {
        tool: "execute_plan".to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    fn required(status: &str) -> Value {
        json!({
            "code": "approval_required", "request_id": "req-1", "plan_digest": Digest::of(b"p").to_string(),
            "approval_url": "http://127.0.0.1:1/requests/req-1", "expires_at": "2026-11-23T10:15:00Z", "status": status,
            "approvals": {"have": 0, "need": 1}, "retryable": true,
        })
    }

    #[test]
    fn a_pending_request_names_its_page() {
        let standing = read_refusal("approval_required", "sign it", &required("pending")).unwrap();
        assert!(matches!(standing, Standing::Pending { ticket } if ticket.request_id == "req-1"));
    }

    #[test]
    fn approved_without_a_token_is_not_approved() {
        assert!(read_refusal("approval_required", "sign it", &required("approved")).is_none());
    }

    #[test]
    fn who_signed_and_how_they_read_is_kept() {
        let look = read_look(&json!({
            "approvals": [{"approver": "ana", "review": {"took_s": 370, "parts": [["Blast radius", 120], ["The script", 9]]}},
                          {"approver": "ben"}],
            "slow_review": "takes long",
        }));
        assert_eq!(look.approvers, ["ana", "ben"]);
        let [review] = look.reviews.as_slice() else {
            unreachable!("{look:?}")
        };
        assert_eq!(
            (review.took_s, review.longest.first()),
            (370, Some(&("Blast radius".to_owned(), 120)))
        );
        assert_eq!(look.slow_review.as_deref(), Some("takes long"));
        let look = read_look(&json!({"approvals": [], "granted": {"grant": "grt-1", "approvers": ["cem"]}}));
        assert_eq!(
            (look.grant.as_deref(), look.approvers),
            (Some("grt-1"), vec!["cem".to_owned()])
        );
    }

    #[test]
    fn a_token_is_never_shown() {
        let mut body = required("approved");
        body.as_object_mut()
            .unwrap()
            .insert("approval_token".to_owned(), json!("SECRET-TOKEN"));
        let Some(Standing::Approved { token, .. }) = read_refusal("approval_required", "", &body) else {
            unreachable!("the body has a token")
        };
        assert!(!format!("{token:?}").contains("SECRET"));
    }

    #[test]
    fn a_used_token_leads_to_its_order() {
        let body = json!({"code": "already_used", "execution_id": "exe-1"});
        let standing = read_refusal("already_used", "", &body).unwrap();
        assert!(matches!(standing, Standing::Ordered { ticket } if ticket.execution_id == "exe-1"));
    }

    #[test]
    fn a_denial_keeps_the_policys_own_code() {
        let body = json!({"code": "policy_denied", "denials": [{"code": "forbidden_statement"}], "retryable": false});
        let standing = read_refusal("policy_denied", "no", &body).unwrap();
        assert!(matches!(standing, Standing::Refused { code, by_policy: true, .. } if code == "forbidden_statement"));
    }

    #[test]
    fn a_gate_that_is_out_of_order_says_nothing_about_the_plan() {
        assert!(read_refusal("journal_unpublished", "", &json!({"retryable": true})).is_none());
    }
}
