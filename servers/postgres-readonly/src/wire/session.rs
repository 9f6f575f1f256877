//! One session and the one thing it does: a read inside a READ ONLY transaction, in one flight, with nothing left behind.

use std::{future::Future, time::Duration};

use bytes::BytesMut;
use postgres_protocol::{IsNull, message::frontend};
use tokio::time::{Instant, timeout_at};

use super::{
    Column, ConnectError, Endpoint, ServerError, TextRow, WireError,
    cancel::CancelKey,
    fields,
    frames::{Frame, Frames},
    startup::{self, Login},
};

/// How much longer than the server the client waits before it gives the connection up.
const GRACE: Duration = Duration::from_secs(2);
const IDLE: u8 = b'I';

/// A session that is logged in, outside any transaction.
#[derive(Debug)]
pub struct Session {
    frames: Frames,
    endpoint: Endpoint,
    key: CancelKey,
    pub server_version: String,
}

/// One read.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Run before the statement, as `BEGIN READ ONLY; SET LOCAL …; SELECT …`: its last row's first value is kept.
    pub prologue: &'a str,
    /// Run after the transaction has been rolled back, to undo what the prologue left in the server process itself; may be
    /// empty. When it fails the session is given up.
    pub epilogue: &'a str,
    /// One statement; the extended protocol takes no second one.
    pub statement: &'a str,
    pub parameters: &'a [Option<String>],
    pub max_rows: u32,
    /// Bytes of values that are kept; further rows are read past.
    pub max_bytes: usize,
    /// The server's own statement_timeout, which the client outwaits.
    pub statement_timeout: Duration,
}

/// What came back from one flight.
#[derive(Debug, Default)]
pub struct Flight {
    pub prologue_value: Option<String>,
    pub columns: Vec<Column>,
    pub rows: Vec<TextRow>,
    /// There was more than was kept.
    pub truncated: bool,
    pub error: Option<ServerError>,
    pub cancelled: bool,
    pub elapsed: Duration,
    bytes: usize,
}

impl Session {
    /// Connects and logs in.
    pub async fn open(endpoint: &Endpoint, login: Login<'_>) -> Result<Self, ConnectError> {
        let mut frames = Frames::new(endpoint.open().await?);
        let late = || ConnectError::Broken(WireError::Silent);
        let greeting = tokio::time::timeout(endpoint.connect_timeout, startup::log_in(&mut frames, endpoint, login))
            .await
            .map_err(|_| late())??;
        Ok(Self {
            frames,
            endpoint: endpoint.clone(),
            key: greeting.key,
            server_version: greeting.server_version,
        })
    }

    /// Returns whether an idle session can still be used.
    pub async fn is_alive(&mut self) -> bool {
        self.frames.is_open().await
    }

    /// Runs one read. `Ok` means that the server said: no transaction is open, and the session is as it was when it
    /// began; the statement itself may have failed. After `Err` the session must not be used again.
    pub async fn read(&mut self, call: Call<'_>, cancelled: impl Future<Output = ()>) -> Result<Flight, WireError> {
        let started = Instant::now();
        let deadline = started + call.statement_timeout + GRACE;
        let mut out = BytesMut::with_capacity(call.statement.len() + call.prologue.len() + 256);
        encode(call, &mut out)?;
        timeout_at(deadline, self.frames.send(&out))
            .await
            .map_err(|_| WireError::Silent)??;

        let mut flight = Flight::default();
        let (endpoint, key) = (self.endpoint.clone(), self.key);
        let (clean, was_cancelled) = {
            let mut answers = std::pin::pin!(self.answers(call, &mut flight, started));
            tokio::select! {
                biased;
                done = timeout_at(deadline, &mut answers) => (done.map_err(|_| WireError::Silent)??, false),
                () = cancelled => {
                    // The session goes on being read while the signal is on its way: a server that is busy sending
                    // rows notices it only when somebody takes them.
                    let both = async { tokio::join!(key.cancel(&endpoint), &mut answers) };
                    let (sent, done) = timeout_at(deadline, both).await.map_err(|_| WireError::Silent)?;
                    sent.map_err(|_| WireError::Silent)?;
                    done?;
                    (false, true)
                }
            }
        };
        flight.cancelled = was_cancelled;
        if !clean {
            self.clean_up(deadline, call.epilogue).await?;
        }
        Ok(flight)
    }

    /// Says goodbye, so that the server does not log a lost connection.
    pub async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        // A server that does not even take five bytes has nothing to be told.
        let _ = tokio::time::timeout(GRACE, self.frames.send(&out)).await;
    }

    /// Reads the answers to the whole flight; returns whether the session came out clean.
    async fn answers(&mut self, call: Call<'_>, flight: &mut Flight, started: Instant) -> Result<bool, WireError> {
        let mut prologue = Flight::default();
        let in_transaction = self.answer(&mut prologue, u32::MAX, usize::MAX).await?;
        flight.prologue_value = prologue.rows.last().and_then(|row| {
            let first = row.values().next().flatten()?;
            Some(String::from_utf8_lossy(first).into_owned())
        });
        flight.error = prologue.error;
        let after = self.answer(flight, call.max_rows, call.max_bytes).await?;
        flight.elapsed = started.elapsed();
        if in_transaction == IDLE {
            return Err(WireError::Protocol("no transaction was open for the statement"));
        }
        if after == IDLE {
            // The guard does not let such a statement through; were there one, nothing ran after it but the reset.
            return Err(WireError::Protocol("the statement left its transaction"));
        }
        self.ends(call.epilogue).await
    }

    /// Reads the answers to what [`encode_end`] sends; returns whether the session came out clean.
    async fn ends(&mut self, epilogue: &str) -> Result<bool, WireError> {
        let mut clean = true;
        for _ in 0..ending(epilogue).count() {
            let mut part = Flight::default();
            let status = self.answer(&mut part, 0, 0).await?;
            clean &= status == IDLE && part.error.is_none();
        }
        Ok(clean)
    }

    /// Rolls back and resets once more: a cancel request may have hit the first try instead of the statement.
    async fn clean_up(&mut self, deadline: Instant, epilogue: &str) -> Result<(), WireError> {
        let mut out = BytesMut::new();
        encode_end(epilogue, &mut out)?;
        let work = async {
            self.frames.send(&out).await?;
            match self.ends(epilogue).await? {
                true => Ok(()),
                false => Err(WireError::Protocol("the session could not be reset")),
            }
        };
        timeout_at(deadline + GRACE, work)
            .await
            .map_err(|_| WireError::Silent)?
    }

    /// Reads up to the next ReadyForQuery and returns the transaction status that it carries.
    async fn answer(&mut self, flight: &mut Flight, max_rows: u32, max_bytes: usize) -> Result<u8, WireError> {
        loop {
            let (tag, body) = match self.frames.next().await? {
                Frame::Whole { tag, body } => (tag, body),
                Frame::TooLong { tag: b'D' } => {
                    flight.truncated = true;
                    continue;
                }
                Frame::TooLong { .. } => return Err(WireError::Protocol("a message that is too long")),
            };
            match tag {
                b'D' => flight.keep(fields::row(body)?, max_rows, max_bytes),
                b'T' => flight.columns = fields::columns(body)?,
                b'E' => {
                    let error = fields::error(body);
                    if error.fatal {
                        return Err(WireError::Closed(error));
                    }
                    flight.error.get_or_insert(error);
                }
                b's' => flight.truncated = true,
                b'Z' => {
                    return body
                        .first()
                        .copied()
                        .ok_or(WireError::Protocol("a status without a value"));
                }
                // Completion and parameter messages, notices, notifications: nothing that a read needs.
                b'1' | b'2' | b'3' | b'A' | b'C' | b'I' | b'K' | b'N' | b'S' | b'n' | b't' => {}
                // COPY: the statement wants the connection for itself. The guard does not let such a one through.
                _ => return Err(WireError::Protocol("an unexpected message")),
            }
        }
    }
}

impl Flight {
    fn keep(&mut self, row: TextRow, max_rows: u32, max_bytes: usize) {
        let bytes = self.bytes.saturating_add(row.bytes());
        let full = self.truncated || bytes > max_bytes || self.rows.len() >= max_rows as usize;
        if full {
            self.truncated = true;
        } else {
            self.bytes = bytes;
            self.rows.push(row);
        }
    }
}

fn encode(call: Call<'_>, out: &mut BytesMut) -> std::io::Result<()> {
    frontend::query(call.prologue, out)?;
    frontend::parse("", call.statement, [], out)?;
    let value = |value: &Option<String>, out: &mut BytesMut| match value {
        None => Ok(IsNull::Yes),
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        }
    };
    frontend::bind("", "", [], call.parameters, value, [], out)
        .map_err(|_| std::io::Error::other("too many or too long parameters"))?;
    frontend::describe(b'P', "", out)?;
    // One more than is kept: the server calls a portal suspended even when its last row was the last one allowed.
    frontend::execute(
        "",
        i32::try_from(call.max_rows).unwrap_or(i32::MAX).saturating_add(1),
        out,
    )?;
    frontend::sync(out);
    encode_end(call.epilogue, out)
}

fn encode_end(epilogue: &str, out: &mut BytesMut) -> std::io::Result<()> {
    ending(epilogue).try_for_each(|text| frontend::query(text, out))
}

/// Messages of their own, for DISCARD ALL refuses to share one with anything.
fn ending(epilogue: &str) -> impl Iterator<Item = &str> {
    ["ROLLBACK", epilogue, "DISCARD ALL"]
        .into_iter()
        .filter(|text| !text.is_empty())
}
