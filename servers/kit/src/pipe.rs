//! The transport over stdin and stdout: rmcp's own reading, and a writing side that copies as little as it can.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex as Lock, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rmcp::{
    RoleServer,
    model::{CallToolResult, ContentBlock, JsonRpcMessage, ServerResult},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::{Transport, async_rw::AsyncRwTransport},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Mutex,
    time::timeout,
};

/// Messages are lines. They are put together in `pending` and go out together when the client is slow to take them.
struct Out<W> {
    pending: Lock<Pending>,
    writer: Mutex<W>,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// So many of them are written.
    done: usize,
}

/// A connection over two pipes.
pub struct Pipes<R: AsyncRead, W: AsyncWrite + Send + Unpin + 'static> {
    incoming: AsyncRwTransport<RoleServer, R, Lines<W>>,
    out: Arc<Out<W>>,
    /// What an empty list of tools is written as.
    tools: Option<&'static str>,
}

/// Where rmcp writes by itself (answers to what is no request): to the same lines.
struct Lines<W>(Arc<Out<W>>);

impl<R, W> Pipes<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// A longer line is dropped; the connection stays.
    pub fn new(reader: R, writer: W, max_line_length: usize) -> Self {
        let out = Arc::new(Out {
            pending: Lock::default(),
            writer: Mutex::new(writer),
        });
        Self {
            incoming: AsyncRwTransport::new(reader, Lines(out.clone())).with_max_line_length(max_line_length),
            out,
            tools: None,
        }
    }

    /// Writes an empty list of tools as `tools`, a JSON array in lines.
    pub fn listing(self, tools: Option<&'static str>) -> Self {
        Self { tools, ..self }
    }
}

impl<R, W> Transport<RoleServer> for Pipes<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let out = self.out.clone();
        let encoded = encode(message, self.tools, out.spare());
        let written = encoded.map(|line| {
            out.take(line);
            // Most of the time the pipe takes it at once.
            out.try_drain()
        });
        async move {
            match written? {
                true => Ok(()),
                false => out.drain().await,
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        // A client that takes no answers gets no more of them made.
        if self.out.is_behind() {
            // A broken pipe is noticed by whoever writes next.
            let _ = self.out.drain().await;
        }
        self.incoming.receive().await
    }

    async fn close(&mut self) -> io::Result<()> {
        let drained = async {
            self.incoming.close().await?;
            self.out.drain().await
        };
        // Who has not taken them by then does not read any more.
        timeout(LAST_WORDS, drained).await.unwrap_or(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> Out<W> {
    /// Returns the buffer of what was written before, empty, when nothing is pending in it.
    fn spare(&self) -> Vec<u8> {
        let mut pending = self.pending();
        match pending.bytes.is_empty() {
            true => std::mem::take(&mut pending.bytes),
            false => Vec::new(),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_behind(&self) -> bool {
        self.pending().bytes.len() > MAX_PENDING_BYTES
    }

    /// Adds a line that nobody else wants: as a rule nothing else is pending, and then it is not copied.
    fn take(&self, line: Vec<u8>) {
        let mut pending = self.pending();
        match pending.bytes.is_empty() {
            true => pending.bytes = line,
            false => pending.bytes.extend_from_slice(&line),
        }
    }

    fn append(&self, line: &[u8]) {
        self.pending().bytes.extend_from_slice(line);
    }

    /// Returns whether everything is written.
    fn try_drain(&self) -> bool {
        let Ok(mut writer) = self.writer.try_lock() else {
            return false;
        };
        let mut context = Context::from_waker(Waker::noop());
        matches!(self.poll_drain(&mut writer, &mut context), Poll::Ready(Ok(())))
    }

    async fn drain(&self) -> io::Result<()> {
        // One at a time: only the last to wait for the pipe would be woken.
        let mut writer = self.writer.lock().await;
        std::future::poll_fn(|context| self.poll_drain(&mut writer, context)).await
    }

    fn poll_drain(&self, writer: &mut W, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pending = self.pending();
        let Pending { bytes, done } = &mut *pending;
        let outcome = loop {
            let rest = bytes.get(*done..).unwrap_or_default();
            if rest.is_empty() {
                break Pin::new(&mut *writer).poll_flush(context);
            }
            match Pin::new(&mut *writer).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => *done += written,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        // What is written is cut off once it is the greater part: cutting moves the rest.
        if *done >= bytes.len() - *done {
            bytes.drain(..*done);
            *done = 0;
        }
        // A longer buffer is not kept for the next message.
        if bytes.is_empty() && bytes.capacity() > KEPT_BYTES {
            *bytes = Vec::new();
        }
        outcome
    }
}

/// As much as a line takes that has a large result in it twice. Giving that back to the system and asking it for as much
/// again at the next call would cost a twentieth of the call.
const KEPT_BYTES: usize = 256 * 1024;
/// Beyond this nothing more is read from a client that does not take what it asked for.
const MAX_PENDING_BYTES: usize = 8 << 20;
/// How long a client may take for what is left when the connection ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl<W: AsyncWrite + Send + Unpin + 'static> AsyncWrite for Lines<W> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.0.try_drain() {
            let out = self.0.clone();
            // A client that takes nothing any more is noticed by whoever writes next.
            tokio::spawn(async move { out.drain().await });
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// Writes a message as one line. Where the structured content of a result is null, the result's text is put there: it is
/// the same JSON. Where a list of tools is empty, `tools` are put there. `line` is empty.
fn encode(mut message: TxJsonRpcMessage<RoleServer>, tools: Option<&str>, mut line: Vec<u8>) -> io::Result<Vec<u8>> {
    let spliced = take_structured(&mut message);
    let text = spliced.then(|| text_of(&message)).flatten();
    line.reserve(text.map_or(512, |text| text.len() * 9 / 4 + 512));
    serde_json::to_writer(&mut line, &message)?;
    if let Some(text) = text {
        // The result is the message's last member, and it is not empty.
        if !line.ends_with(b"}}") {
            return Err(io::Error::other("a result that does not end its message"));
        }
        line.truncate(line.len() - 2);
        line.extend_from_slice(b",\"structuredContent\":");
        line.extend_from_slice(text.as_bytes());
        line.extend_from_slice(b"}}");
    }
    if let Some(tools) = tools.filter(|_| lists_no_tools(&message)) {
        // No text inside the message can have these bytes: its quotes would be escaped.
        let Some(at) = line.windows(NO_TOOLS.len()).position(|bytes| bytes == NO_TOOLS) else {
            return Err(io::Error::other("a list of tools without its tools"));
        };
        let rest = line.split_off(at + NO_TOOLS.len());
        line.truncate(line.len() - b"[]".len());
        line.reserve(tools.len() + rest.len() + 1);
        tools.lines().for_each(|part| line.extend_from_slice(part.as_bytes()));
        line.extend_from_slice(&rest);
    }
    line.push(b'\n');
    Ok(line)
}

const NO_TOOLS: &[u8] = br#""tools":[]"#;

fn lists_no_tools(message: &TxJsonRpcMessage<RoleServer>) -> bool {
    match message {
        JsonRpcMessage::Response(response) => {
            matches!(&response.result, ServerResult::ListToolsResult(list) if list.tools.is_empty())
        }
        _ => false,
    }
}

fn take_structured(message: &mut TxJsonRpcMessage<RoleServer>) -> bool {
    match message {
        JsonRpcMessage::Response(response) => match &mut response.result {
            ServerResult::CallToolResult(result) if result.structured_content == Some(Value::Null) => {
                result.structured_content = None;
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn text_of(message: &TxJsonRpcMessage<RoleServer>) -> Option<&str> {
    let JsonRpcMessage::Response(response) = message else {
        return None;
    };
    match &response.result {
        ServerResult::CallToolResult(CallToolResult { content, .. }) => content.iter().find_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a failed set-up is a failed test"
    )]
    use rmcp::model::{JsonRpcResponse, JsonRpcVersion2_0, ListToolsResult, MetaObject, RequestId};
    use serde_json::json;

    use super::*;
    use crate::outcome::{Structured, to_result};

    fn line(structured: Structured) -> Value {
        let result = to_result(Ok("{\"a\":[1,\"x\\n\"]}".to_owned()), structured, MetaObject::new());
        let message = JsonRpcMessage::Response(JsonRpcResponse {
            jsonrpc: JsonRpcVersion2_0,
            id: RequestId::Number(7),
            result: ServerResult::CallToolResult(result),
        });
        let line = encode(message, None, Vec::new()).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn content_from_the_text_is_the_content_as_a_value() {
        let message = line(Structured::FromText);
        assert_eq!(message, line(Structured::Value));
        assert_eq!(message["result"]["structuredContent"]["a"][1], "x\n");
    }

    #[test]
    fn tools_that_were_written_beforehand_are_listed_whatever_the_id_says() {
        let list = |id: &str| {
            let message = JsonRpcMessage::Response(JsonRpcResponse {
                jsonrpc: JsonRpcVersion2_0,
                id: RequestId::String(id.into()),
                result: ServerResult::ListToolsResult(ListToolsResult::with_all_items(Vec::new())),
            });
            let line = encode(message, Some("[\n{\"name\":\"a\"},\n{\"name\":\"b\"}\n]\n"), Vec::new()).unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            serde_json::from_slice::<Value>(&line).unwrap()
        };
        for id in ["1", "\"tools\":[]", "\\\"tools\":[]"] {
            let message = list(id);
            assert_eq!(message["id"], id);
            assert_eq!(message["result"]["tools"], json!([{"name": "a"}, {"name": "b"}]));
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_little_at_a_time_gets_every_line() {
        use tokio::io::{AsyncReadExt, duplex};
        let (near, mut far) = duplex(16);
        let out = Arc::new(Out {
            pending: Lock::default(),
            writer: Mutex::new(near),
        });
        let lines: Vec<String> = (0..50)
            .map(|n| format!("{{\"line\":{n},\"text\":\"{}\"}}\n", "x".repeat(n)))
            .collect();
        let tasks: Vec<_> = lines
            .iter()
            .map(|line| {
                out.append(line.as_bytes());
                let out = out.clone();
                tokio::spawn(async move { out.drain().await })
            })
            .collect();
        let all = lines.concat();
        let mut read = vec![0; all.len()];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), all);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}
