//! Somebody in the corridor: sees, keeps and passes on every datagram between phones and one lock, and alters none.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use latchwork_ace::authz_info;
use latchwork_coap::message::Message;

/// How long the relay listens to one side before it looks at the other.
const POLL: Duration = Duration::from_millis(1);

/// Larger than any datagram of the story.
const MAX_DATAGRAM: usize = 2048;

/// A relay that remembers.
pub struct Sniffer {
    /// Where phones speak to, in the place of the lock.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Datagram>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// A datagram that went by.
#[derive(Clone)]
pub struct Datagram {
    /// Whether it went to the lock, or came from it.
    pub to_lock: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Sniffer {
    /// Stands before the lock at `lock`.
    pub fn before(lock: SocketAddr) -> io::Result<Self> {
        let outside = UdpSocket::bind("127.0.0.1:0")?;
        let inside = UdpSocket::bind("127.0.0.1:0")?;
        inside.connect(lock)?;
        let address = outside.local_addr()?;
        let (seen, over) = (Arc::default(), Arc::default());
        let thread = {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            thread::spawn(move || relay(&outside, &inside, &seen, &over))
        };
        Ok(Self { address, seen, over, thread: Some(thread) })
    }

    /// Everything since the last call, in its order.
    pub fn take(&self) -> Vec<Datagram> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A token that went to the lock in the open, and the nonces and names with which both ends went on (RFC 9203 §4).
pub struct Upload {
    /// The token.
    pub token: Vec<u8>,
    /// N1, and the name of the phone.
    pub phone: (Vec<u8>, Vec<u8>),
    /// N2, and the name of the lock.
    pub lock: (Vec<u8>, Vec<u8>),
}

/// The uploads that the lock took.
pub fn uploads(seen: &[Datagram]) -> Vec<Upload> {
    let messages = |to_lock| {
        let some = seen.iter().filter(move |datagram| datagram.to_lock == to_lock);
        some.filter_map(|datagram| Message::parse(&datagram.bytes).ok())
    };
    let mut uploads = Vec::new();
    for asked in messages(true) {
        let Ok(request) = authz_info::Request::decode(asked.payload) else { continue };
        let (Some(nonce1), Some(id1)) = (request.nonce1, request.client_recipient_id) else { continue };
        let Some(answered) = messages(false).find(|answer| answer.token == asked.token) else { continue };
        let Ok(response) = authz_info::Response::decode(answered.payload) else { continue };
        uploads.push(Upload {
            token: request.access_token.to_vec(),
            phone: (nonce1.to_vec(), id1.to_vec()),
            lock: (response.nonce2.to_vec(), response.server_recipient_id.to_vec()),
        });
    }
    uploads
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Phones speak to one lock one after the other here, so the last one to speak gets the answers.
fn relay(outside: &UdpSocket, inside: &UdpSocket, seen: &Mutex<Vec<Datagram>>, over: &AtomicBool) -> io::Result<()> {
    outside.set_nonblocking(true)?;
    inside.set_read_timeout(Some(POLL))?;
    let mut buffer = [0; MAX_DATAGRAM];
    let mut phone = None;
    let keep = |to_lock, bytes: &[u8]| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(Datagram { to_lock, bytes: bytes.to_vec() });
    };
    while !over.load(Ordering::Relaxed) {
        match outside.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                phone = Some(from);
                keep(true, bytes);
                inside.send(bytes)?;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match inside.recv(&mut buffer) {
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                keep(false, bytes);
                if let Some(phone) = phone {
                    outside.send_to(bytes, phone)?;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // The lock is not there at this moment.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
