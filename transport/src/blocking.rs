//! A server for one thread whose application speaks OSCORE itself: a lock.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use latchwork_coap::Message;
use latchwork_coap::endpoint::exchange::{Due, Head, Received};

use crate::clock::Clock;
use crate::{MAX_DATAGRAM, exchanges, is_harmless, random};

/// What the application wants sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The first so many bytes of the buffer: a whole message under the given head.
    Datagram(usize),
    /// Nothing but an acknowledgement.
    Nothing,
    /// A reset: the request is refused as a message (RFC 7252 §5.4.1).
    Reset,
}

/// Serves until `stop` is set. `app` gets each request once, as it came (still protected, options unchecked), and writes
/// the answer under `head` into the buffer. `idle` runs at least every 100 milliseconds.
pub fn serve(
    socket: &UdpSocket,
    stop: &AtomicBool,
    mut app: impl FnMut(SocketAddr, &Message<'_>, Head, &mut [u8]) -> Reply,
    mut idle: impl FnMut(),
) -> io::Result<()> {
    let clock = Clock::start();
    let mut exchanges = exchanges(REMEMBERED, UNDER_WAY)?;
    let (mut buf, mut out) = (vec![0; MAX_DATAGRAM], vec![0; MAX_ANSWER]);
    while !stop.load(Ordering::Relaxed) {
        let due = exchanges.next_due().map_or(IDLE, |due| clock.until(due).min(IDLE));
        socket.set_read_timeout(Some(due.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buf) {
            Ok((length, peer)) => {
                let datagram = buf.get(..length).unwrap_or_default();
                match exchanges.receive(clock.now(), peer, datagram) {
                    Received::Reply(bytes) => send(socket, bytes, peer),
                    Received::Request(exchange, request) => {
                        let head = exchanges.head(&exchange);
                        match app(peer, &request, head, &mut out) {
                            Reply::Datagram(length) => {
                                let bytes = out.get(..length).unwrap_or_default();
                                // without room nothing stands behind the answer, but it goes out
                                let _ = exchanges.answered(clock.now(), exchange, bytes, random::u16()?);
                                send(socket, bytes, peer);
                            }
                            Reply::Nothing => {
                                if let Some(ack) = exchanges.unanswered(exchange) {
                                    send(socket, &ack, peer);
                                }
                            }
                            Reply::Reset => send(socket, &exchanges.refused(exchange), peer),
                        }
                    }
                    _ => {}
                }
            }
            Err(error) if is_harmless(&error) => {}
            Err(error) => return Err(error),
        }
        while let Some(due) = exchanges.poll(clock.now()) {
            if let Due::Send(peer, bytes) = due {
                send(socket, bytes, peer);
            }
        }
        idle();
    }
    Ok(())
}

fn send(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, peer) {
        tracing::debug!(%peer, %error, "datagram not sent"); // as good as lost on the way
    }
}

const IDLE: Duration = Duration::from_millis(100);
const REMEMBERED: usize = 256;
const UNDER_WAY: usize = 16;
const MAX_ANSWER: usize = 4096;
