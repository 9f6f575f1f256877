//! Cuts the server's bytes into messages without ever holding more than one bounded message beyond what was asked for.

use std::{future::poll_fn, io, pin::Pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::{WireError, stream::Stream};

/// A longer message is read past without being kept; only rows can be that long in an honest exchange.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
const HEADER_BYTES: usize = 5;
const READ_BYTES: usize = 16 * 1024;

/// One message of the server.
#[derive(Debug)]
pub enum Frame {
    Whole { tag: u8, body: Bytes },
    TooLong { tag: u8 },
}

/// The stream, cut into messages. Every method may be dropped while it waits; nothing is lost by that.
#[derive(Debug)]
pub struct Frames {
    stream: Stream,
    buffer: BytesMut,
    /// The tag of a message that is too long, and how many of its bytes are still to come.
    skipping: Option<(u8, usize)>,
}

impl Frames {
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(READ_BYTES),
            skipping: None,
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub async fn next(&mut self) -> Result<Frame, WireError> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(frame);
            }
            // Rows that are kept hold on to what is behind them; the little that is left would be read into by itself.
            if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 4 {
                self.buffer.reserve(READ_BYTES);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(WireError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Waits until the server closes the stream.
    pub async fn drained(mut self) -> io::Result<()> {
        let mut rest = [0; 64];
        while self.stream.read(&mut rest).await? > 0 {}
        Ok(())
    }

    /// Returns whether an idle stream is still open: a server that ended the session has closed it or said why. What
    /// else it may say unasked (notices, changed settings) is read past.
    pub async fn is_open(&mut self) -> bool {
        let mut chunk = [0; 512];
        loop {
            let read = poll_fn(|context| {
                let mut seen = ReadBuf::new(&mut chunk);
                Poll::Ready(match Pin::new(&mut self.stream).poll_read(context, &mut seen) {
                    Poll::Pending => None,
                    Poll::Ready(Ok(())) => Some(seen.filled().len()),
                    Poll::Ready(Err(_)) => Some(0),
                })
            });
            match read.await {
                None => return self.buffer.is_empty(),
                Some(0) => return false,
                Some(bytes) => self.buffer.extend(chunk.iter().take(bytes)),
            }
            loop {
                match self.cut() {
                    Ok(None) => break,
                    Ok(Some(Frame::Whole {
                        tag: b'A' | b'N' | b'S',
                        ..
                    })) => {}
                    Ok(Some(_)) | Err(_) => return false,
                }
            }
        }
    }

    fn cut(&mut self) -> Result<Option<Frame>, WireError> {
        if let Some((tag, left)) = self.skipping {
            let skipped = left.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skipping = Some((tag, left - skipped)).filter(|(_, left)| *left > 0);
            return Ok(self.skipping.is_none().then_some(Frame::TooLong { tag }));
        }
        let Some((&[tag, a, b, c, d], _)) = self.buffer.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).unwrap_or(0);
        let Some(body) = length.checked_sub(4) else {
            return Err(WireError::Protocol("a message without a length"));
        };
        if body > MAX_MESSAGE_BYTES {
            self.buffer.advance(HEADER_BYTES);
            self.skipping = Some((tag, body));
            return self.cut();
        }
        if self.buffer.len() < HEADER_BYTES + body {
            self.buffer.reserve(HEADER_BYTES + body - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(Frame::Whole {
            tag,
            body: self.buffer.split_to(body).freeze(),
        }))
    }
}
