//! Puts an answer together from the pieces of a stream, and reads how it ended.

use genai::chat::{ChatStreamEvent, StopReason, StreamEnd};
use serde_json::Value;

use crate::error::ModelError;
use crate::request::{Answer, Request, ToolCall, Usage};

/// More calls in one turn are no question.
const MAX_TOOL_CALLS: usize = 64;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    /// JSON text, as far as it has come.
    arguments: String,
    signatures: Vec<String>,
}

impl Assembly {
    /// Takes one piece; the last one is given back.
    pub(super) fn take(&mut self, event: ChatStreamEvent) -> Result<Option<Box<StreamEnd>>, ModelError> {
        match event {
            ChatStreamEvent::Chunk(chunk) => self.text.push_str(&chunk.content),
            ChatStreamEvent::ToolCallChunk(chunk) => self.take_call(chunk.tool_call)?,
            ChatStreamEvent::End(end) => return Ok(Some(Box::new(end))),
            // What it thinks aloud is neither answer nor evidence.
            ChatStreamEvent::Start
            | ChatStreamEvent::ReasoningChunk(_)
            | ChatStreamEvent::ThoughtSignatureChunk(_)
            | ChatStreamEvent::Heartbeat => {}
        }
        Ok(None)
    }

    /// Some makers repeat all of a call's arguments so far, some send the next part; some name the call in each part, and
    /// one that does not comes as `call_<index>` without a name.
    fn take_call(&mut self, piece: genai::chat::ToolCall) -> Result<(), ModelError> {
        let known = self.calls.iter().position(|call| call.id == piece.call_id);
        let by_index = || {
            piece
                .call_id
                .strip_prefix("call_")
                .and_then(|index| index.parse::<usize>().ok())
        };
        let place = known.or_else(|| by_index().filter(|_| piece.fn_name.is_empty()));
        let arguments = match piece.fn_arguments {
            Value::String(text) => text,
            Value::Null => String::new(),
            whole => whole.to_string(),
        };
        let signatures = piece.thought_signatures.unwrap_or_default();
        match place {
            Some(index) => {
                let call = self
                    .calls
                    .get_mut(index)
                    .ok_or(ModelError::Malformed("a part of no tool call"))?;
                let repeats =
                    !call.arguments.is_empty() && !piece.fn_name.is_empty() && arguments.starts_with(&call.arguments);
                if repeats {
                    call.arguments = arguments;
                } else {
                    call.arguments.push_str(&arguments);
                }
                call.signatures.extend(signatures);
            }
            None if piece.fn_name.is_empty() => return Err(ModelError::Malformed("a tool call without a name")),
            None if self.calls.len() >= MAX_TOOL_CALLS => return Err(ModelError::Malformed("too many tool calls")),
            None => self.calls.push(Call {
                id: piece.call_id,
                name: piece.fn_name,
                arguments,
                signatures,
            }),
        }
        Ok(())
    }

    /// The whole answer, if it ended as an answer ends.
    pub(super) fn finish(&mut self, end: StreamEnd, model: &str, request: &Request) -> Result<Answer, ModelError> {
        let reported = end.captured_usage.unwrap_or_default();
        let count = |reported: Option<i32>| reported.and_then(|tokens| u32::try_from(tokens).ok());
        let usage = Usage {
            // A service that does not say is charged as if it had used what was set aside.
            input_tokens: count(reported.prompt_tokens).unwrap_or_else(|| request.input_tokens_at_most()),
            output_tokens: count(reported.completion_tokens).unwrap_or(request.max_output_tokens),
            cost_micros: 0,
        };
        match end.captured_stop_reason {
            Some(StopReason::Completed(_) | StopReason::ToolCall(_)) => {}
            Some(StopReason::MaxTokens(_)) => return Err(ModelError::CutOff(request.max_output_tokens)),
            Some(StopReason::ContentFilter(word)) => return Err(ModelError::Refused(plain(&word))),
            Some(StopReason::Other(word)) if is_filter(&word) => return Err(ModelError::Refused(plain(&word))),
            Some(StopReason::StopSequence(_) | StopReason::Other(_)) => {
                return Err(ModelError::Malformed("an unknown reason to stop"));
            }
            // A stream that says nothing of why it ended did not end.
            None => return Err(ModelError::CutConnection),
        }
        Ok(Answer {
            text: std::mem::take(&mut self.text),
            tool_calls: self.calls.drain(..).map(Call::read).collect(),
            model: model.to_owned(),
            usage,
        })
    }
}

impl Call {
    /// Arguments that are no JSON stay text, which no tool takes.
    fn read(self) -> ToolCall {
        let arguments = if self.arguments.trim().is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            serde_json::from_str(&self.arguments).unwrap_or(Value::String(self.arguments))
        };
        ToolCall {
            id: self.id,
            name: self.name,
            arguments,
            signatures: self.signatures,
        }
    }
}

/// Whether a frame of OpenAI's carries a piece of a refusal.
pub(super) fn is_refusal(frame: &str) -> bool {
    let frame: Value = serde_json::from_str(frame).unwrap_or_default();
    let said = frame.pointer("/choices/0/delta/refusal").and_then(Value::as_str);
    said.is_some_and(|words| !words.is_empty())
}

fn is_filter(word: &str) -> bool {
    matches!(word, "content_filtered" | "guardrail_intervened")
}

/// A service's own word, as far as it is one.
fn plain(word: &str) -> String {
    let is_word = |c: &char| c.is_ascii_alphabetic() || *c == '_';
    word.chars().filter(is_word).take(40).collect()
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use genai::chat::ToolChunk;
    use serde_json::json;

    use super::*;

    fn piece(id: &str, name: &str, arguments: &str) -> ChatStreamEvent {
        ChatStreamEvent::ToolCallChunk(ToolChunk {
            tool_call: genai::chat::ToolCall {
                call_id: id.to_owned(),
                fn_name: name.to_owned(),
                fn_arguments: json!(arguments),
                thought_signatures: None,
            },
        })
    }

    fn assembled(pieces: Vec<ChatStreamEvent>) -> Result<Vec<ToolCall>, ModelError> {
        let mut assembly = Assembly::default();
        for piece in pieces {
            assembly.take(piece)?;
        }
        Ok(assembly.calls.drain(..).map(Call::read).collect())
    }

    #[test]
    fn calls_in_parts_and_calls_repeated_come_out_the_same() {
        let in_parts = assembled(vec![
            piece("a", "one", ""),
            piece("call_0", "", "{\"x\":"),
            piece("b", "two", ""),
            piece("call_1", "", "{}"),
            piece("call_0", "", "1}"),
        ]);
        let repeated = assembled(vec![
            piece("a", "one", ""),
            piece("a", "one", "{\"x\":"),
            piece("a", "one", "{\"x\":1}"),
            piece("b", "two", "{}"),
        ]);
        assert_eq!(in_parts, repeated);
        assert_eq!(in_parts.unwrap()[0].arguments, json!({"x": 1}));
    }

    #[test]
    fn a_part_of_an_unheard_call_is_malformed_and_makes_no_room() {
        for bad in [piece("call_4000000000", "", "{}"), piece("x", "", "{}")] {
            let refused = assembled(vec![piece("a", "one", ""), bad]).unwrap_err();
            assert_eq!(refused.code(), "model_malformed_response");
        }
        let many = (0..=MAX_TOOL_CALLS)
            .map(|n| piece(&format!("id{n}"), "one", "{}"))
            .collect();
        assert_eq!(
            assembled(many).unwrap_err(),
            ModelError::Malformed("too many tool calls")
        );
    }

    #[test]
    fn arguments_that_are_no_json_stay_text() {
        let calls = assembled(vec![piece("a", "one", "{\"x\":")]).unwrap();
        assert_eq!(calls[0].arguments, json!("{\"x\":"));
    }

    #[test]
    fn an_answer_counts_only_when_it_ended_well() {
        let request = Request::asking("", "", 7, std::time::Duration::from_secs(1));
        let end = |reason: Option<&str>| {
            let end = StreamEnd {
                captured_stop_reason: reason.map(|word| StopReason::from(word.to_owned())),
                ..StreamEnd::default()
            };
            Assembly::default()
                .finish(end, "m", &request)
                .map(|answer| answer.usage.output_tokens)
        };
        assert_eq!(end(Some("end_turn")), Ok(7));
        assert_eq!(end(Some("max_tokens")), Err(ModelError::CutOff(7)));
        assert_eq!(end(None), Err(ModelError::CutConnection));
        for refusal in ["refusal", "content_filter", "content_filtered", "SAFETY"] {
            assert_eq!(end(Some(refusal)), Err(ModelError::Refused(refusal.to_owned())));
        }
        assert_eq!(end(Some("pause_turn")).unwrap_err().code(), "model_malformed_response");
    }
}
