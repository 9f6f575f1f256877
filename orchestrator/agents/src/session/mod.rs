//! One agent's conversation with a model: its own prompt, its own tools, its own purse, and so many turns.

mod counsel;
mod tools;

use std::time::Duration;

use futures_util::future::join_all;
use model::{Message, ModelError, Request, Tool, ToolCall, ToolResult};
use runbooks::Evidence;
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;

pub use counsel::Counsel;
pub use tools::{Look, ToolSpec, Tools};

use crate::quote::quote;

/// A text answer beyond this is not read.
pub(crate) const MAX_ANSWER_BYTES: usize = 64_000;
const MAX_ARGUMENT_BYTES: usize = 2_000;
const MAX_CALLS_A_TURN: usize = 8;
const MAX_CALLS: usize = 16;
const MAX_REPAIRS: u32 = 2;
/// The first question, so many turns with calls, and the repairs.
const MAX_TURNS: u32 = 8;

/// What an agent is, whoever the model behind it.
pub(crate) struct Agent {
    pub name: &'static str,
    pub prompt: String,
    /// Server and tool: what it may ask for, and nothing else.
    pub tools: &'static [(&'static str, &'static str)],
    /// The form of its answer.
    pub schema: Value,
    pub max_output_tokens: u32,
    pub deadline: Duration,
}

/// What lies before an agent, and what it had brought.
pub(crate) struct Desk<'a> {
    pub tools: Option<&'a dyn Tools>,
    /// All evidence of the incident, and behind it what the agent looked up itself.
    pub evidence: Vec<Evidence>,
    pub taken: Vec<Look>,
}

/// A fault of an answer: its code, and in our words what would be right. No word of the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub wanted: String,
}

/// Why an agent came to no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AgentError {
    #[error("the model gave no answer")]
    NoAnswer(#[source] ModelError),
    #[error("the answer was refused: {}", .0.wanted)]
    Refused(Fault),
    #[error("there was no answer after {MAX_TURNS} turns")]
    TooManyTurns,
}

impl AgentError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAnswer(cause) => cause.code(),
            Self::Refused(fault) => fault.code,
            Self::TooManyTurns => "too_many_turns",
        }
    }
}

/// An answer that was read, and whose it is.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    pub value: T,
    pub model: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, wanted: impl Into<String>) -> Self {
        Self {
            code,
            wanted: wanted.into(),
        }
    }

    /// A text that is not of the agreed form: where, not what.
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::new(
            "malformed_answer",
            format!("one JSON object in the agreed form and nothing else; it breaks at line {line}, column {column}"),
        )
    }
}

/// Lets the agent work until `read` takes its answer, or it may go on no longer.
pub(crate) async fn converse<T>(
    agent: &Agent,
    counsel: &Counsel,
    opening: String,
    desk: &mut Desk<'_>,
    read: impl Fn(&str, &[Evidence]) -> Result<T, Fault>,
) -> Result<Answered<T>, AgentError> {
    let offered = offered(agent, desk.tools).await;
    let tools: Vec<Tool> = offered.iter().map(|(tool, _)| tool.clone()).collect();
    let budget = counsel.purse_of(agent.name);
    let end = Instant::now() + agent.deadline;
    let mut messages = vec![Message::User { text: opening }];
    let mut repairs = 0;
    for _ in 0..MAX_TURNS {
        let request = Request {
            system: agent.prompt.clone(),
            messages: messages.clone(),
            tools: tools.clone(),
            schema: Some(agent.schema.clone()),
            max_output_tokens: agent.max_output_tokens,
            deadline: end.saturating_duration_since(Instant::now()),
            budget: budget.clone(),
        };
        let answer = counsel.model().complete(request).await.map_err(AgentError::NoAnswer)?;
        if !answer.tool_calls.is_empty() {
            let results = look_up(&answer.tool_calls, &offered, desk).await;
            messages.push(Message::Assistant {
                text: bounded(answer.text),
                tool_calls: answer.tool_calls.into_iter().map(bounded_call).collect(),
            });
            messages.push(Message::ToolResults { results });
            continue;
        }
        let fault = match check_size(&answer.text).and_then(|()| read(&answer.text, &desk.evidence)) {
            Ok(value) => {
                return Ok(Answered {
                    value,
                    model: answer.model,
                });
            }
            Err(fault) => fault,
        };
        if repairs == MAX_REPAIRS {
            return Err(AgentError::Refused(fault));
        }
        repairs += 1;
        let Fault { code, wanted } = fault;
        messages.push(Message::Assistant {
            text: bounded(answer.text),
            tool_calls: Vec::new(),
        });
        messages.push(Message::User {
            text: format!("Your answer was refused: `{code}`. Wanted: {wanted}. Answer again, whole."),
        });
    }
    Err(AgentError::TooManyTurns)
}

/// The agent's tools that are there, under the names that the model calls them by.
async fn offered(agent: &Agent, tools: Option<&dyn Tools>) -> Vec<(Tool, ToolSpec)> {
    let Some(tools) = tools.filter(|_| !agent.tools.is_empty()) else {
        return Vec::new();
    };
    let mut offered = Vec::new();
    for spec in tools.list().await {
        if agent.tools.contains(&(spec.server.as_str(), spec.tool.as_str())) {
            let tool = Tool {
                name: format!("{}__{}", spec.server, spec.tool),
                description: spec.description.clone(),
                schema: spec.schema.clone(),
            };
            offered.push((tool, spec));
        }
    }
    offered
}

/// Answers every call of one turn, the allowed ones side by side.
async fn look_up(calls: &[ToolCall], offered: &[(Tool, ToolSpec)], desk: &mut Desk<'_>) -> Vec<ToolResult> {
    let first_id = next_id(&desk.evidence);
    let room = MAX_CALLS.saturating_sub(desk.taken.len()).min(MAX_CALLS_A_TURN);
    let tools = desk.tools;
    let asked = calls.iter().enumerate().map(|(index, call)| async move {
        let spec = allowed(call, offered)?;
        let tools = tools.ok_or("tool_not_allowed")?;
        if index >= room {
            return Err("too_many_calls".to_owned());
        }
        let arguments = arguments(call)?;
        let id = format!("E{}", first_id.saturating_add(index));
        tools.look(id, &spec.server, &spec.tool, arguments).await
    });
    let mut results = Vec::new();
    for (call, look) in calls.iter().zip(join_all(asked).await) {
        let content = match look {
            Ok(look) => {
                let content = quote(&look.evidence);
                desk.evidence.push(look.evidence.clone());
                desk.taken.push(look);
                content
            }
            Err(code) => format!("refused: `{code}`"),
        };
        results.push(ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            content,
        });
    }
    results
}

fn allowed<'a>(call: &ToolCall, offered: &'a [(Tool, ToolSpec)]) -> Result<&'a ToolSpec, String> {
    let found = offered.iter().find(|(tool, _)| tool.name == call.name);
    found.map(|(_, spec)| spec).ok_or_else(|| "tool_not_allowed".to_owned())
}

fn arguments(call: &ToolCall) -> Result<serde_json::Map<String, Value>, String> {
    let Value::Object(arguments) = &call.arguments else {
        return Err("arguments_are_no_object".to_owned());
    };
    if call.arguments.to_string().len() > MAX_ARGUMENT_BYTES {
        return Err("arguments_too_large".to_owned());
    }
    Ok(arguments.clone())
}

/// The number behind the highest in use.
fn next_id(evidence: &[Evidence]) -> usize {
    let numbers = evidence
        .iter()
        .filter_map(|piece| piece.id.strip_prefix('E')?.parse::<usize>().ok());
    numbers.max().unwrap_or(0).saturating_add(1)
}

fn check_size(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_ANSWER_BYTES {
        return Err(Fault::new(
            "oversized_answer",
            format!("at most {MAX_ANSWER_BYTES} bytes"),
        ));
    }
    Ok(())
}

/// What goes back to the model of its own words: not more than was read, and not nothing, which no maker takes.
fn bounded(text: String) -> String {
    match text.len() {
        0 => "(nothing)".to_owned(),
        1..=MAX_ANSWER_BYTES => text,
        _ => "(too long)".to_owned(),
    }
}

/// Calls go back as well, for makers want each beside its result; a flood of arguments does not.
fn bounded_call(call: ToolCall) -> ToolCall {
    if call.arguments.is_object() && call.arguments.to_string().len() <= MAX_ARGUMENT_BYTES {
        return call;
    }
    ToolCall {
        arguments: Value::Object(serde_json::Map::new()),
        ..call
    }
}

#[cfg(test)]
mod tests;
