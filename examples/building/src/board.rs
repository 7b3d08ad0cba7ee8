//! A lock on a microcontroller: the image of `examples/door-lock/cortex-m` or `examples/door-lock/c` in QEMU, and the serial line or the network
//! that it is on.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use latchwork_door_lock_slip::{Decoder, Packet, encode};
use tempfile::TempDir;

use crate::building::{program, repository};
use crate::{Outcome, Process};

/// A running board. Its flash chip is a file and outlives it; that of the lock in C is its image.
pub struct Board {
    /// The QEMU process; what the lock says on its console is its output.
    pub process: Process,
    way: Way,
}

/// The way to a board: its serial line, or the network that it is on.
enum Way {
    Serial(Line),
    Network(SocketAddr),
}

/// How fast time goes on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As it does outside.
    Real,
    /// One nanosecond for each instruction, so that the board's timer counts instructions.
    Instructions,
}

impl Board {
    /// Switches the board on, with the image of a variant and the chip given. `name` and `logs` are for its console.
    pub fn start(name: &str, variant: &str, chip: &Path, logs: &Path, pace: Pace) -> Outcome<Self> {
        let mut command = qemu(variant, chip)?;
        if pace == Pace::Instructions {
            command.args(["-icount", "shift=0"]);
        }
        if variant.ends_with("-udp") {
            let address = free_port()?;
            command.args(["-serial", "none", "-nic"]);
            command.arg(format!("user,model=lan9118,hostfwd=udp:{address}-:5683"));
            return Ok(Self { process: boot(command, name, logs)?, way: Way::Network(address) });
        }
        let socket = chip.with_extension("line");
        // Left there by an earlier run of this board.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        command.arg("-serial").arg(format!("unix:{}", socket.display()));
        let process = boot(command, name, logs)?;
        let (stream, _) = listener.accept()?;
        Ok(Self { process, way: Way::Serial(Line::open(stream)?) })
    }

    /// Switches a board on that is alone with us on an Ethernet.
    pub fn on_wire(name: &str, variant: &str, chip: &Path, logs: &Path) -> Outcome<(Process, Wire)> {
        let (mut command, wire) = (qemu(variant, chip)?, Wire::lay()?);
        let end = |end: &str, address: SocketAddr| {
            format!("{end}.type=inet,{end}.host={},{end}.port={}", address.ip(), address.port())
        };
        command.args(["-serial", "none", "-net", "nic,netdev=wire,model=lan9118", "-netdev"]);
        command.arg(format!("dgram,id=wire,{},{}", end("local", wire.board), end("remote", wire.socket.local_addr()?)));
        Ok((boot(command, name, logs)?, wire))
    }

    /// Where datagrams for the board go.
    pub fn address(&self) -> SocketAddr {
        match &self.way {
            Way::Serial(line) => line.address.into(),
            Way::Network(address) => *address,
        }
    }
}

fn machine(variant: &str) -> (&'static str, Command) {
    // What is built for an M0 runs on an M3; QEMU has no M0 with room enough.
    let (machine, cpu) = match variant {
        _ if variant.ends_with("-m0") => ("mps2-an385", "cortex-m3"),
        _ if variant.ends_with("-m33") => ("mps2-an505", "cortex-m33"),
        _ => ("mps2-an386", "cortex-m4"),
    };
    let mut command = Command::new("qemu-system-arm");
    command.args(["-cpu", cpu, "-display", "none", "-monitor", "none"]);
    command.args(["-semihosting-config", "enable=on,target=native"]);
    (machine, command)
}

/// QEMU for an image that needs no chip.
pub fn bare(variant: &str) -> Outcome<Command> {
    let (machine, mut command) = machine(variant);
    command.args(["-machine", machine, "-kernel"]).arg(image(variant)?);
    Ok(command)
}

fn qemu(variant: &str, chip: &Path) -> Outcome<Command> {
    let (machine, mut command) = machine(variant);
    if variant == IN_C {
        command.args(["-machine", machine, "-kernel"]).arg(chip);
        return Ok(command);
    }
    command.arg("-machine").arg(format!("{machine},memory-backend=chip"));
    command.arg("-object").arg(format!(
        "memory-backend-file,id=chip,size={},share=on,mem-path={}",
        fs::metadata(chip)?.len(),
        chip.display()
    ));
    command.arg("-kernel").arg(image(variant)?);
    Ok(command)
}

fn boot(mut command: Command, name: &str, logs: &Path) -> Outcome<Process> {
    let mut process = Process::start(name, logs, &mut command)?;
    process.line("locked, and waiting")?;
    Ok(process)
}

/// A place on the Ethernet that a board is on: whole frames in, whole frames out, whatever is in them.
pub struct Wire {
    socket: UdpSocket,
    board: SocketAddr,
}

impl Wire {
    fn lay() -> io::Result<Self> {
        let (socket, board) = (UdpSocket::bind("127.0.0.1:0")?, free_port()?);
        socket.set_read_timeout(Some(POLL))?;
        Ok(Self { socket, board })
    }

    /// Puts a frame on the wire.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, self.board).map(drop)
    }

    /// The next frame on the wire; none if nothing comes for a while.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; MAX_FRAME];
        match self.socket.recv(&mut frame) {
            Ok(length) => {
                frame.truncate(length);
                Ok(Some(frame))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A UDP port that is free at this moment.
fn free_port() -> io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}

/// How many instructions a tick of its timer is, at the [`Pace`] of instructions.
pub fn instructions_per_tick(variant: &str) -> u64 {
    if variant.ends_with("-m33") { 50 } else { 40 }
}

/// A variant of the image, as its `build` leaves it; the one in C is enrolled nowhere.
pub fn image(variant: &str) -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let built = |target: &Path| match variant {
        IN_C => target.join("capi/door-lock-software"),
        _ => target.join(format!("cortex-m/door-lock-{variant}")),
    };
    let found = here.ancestors().skip(1).take(3).map(built).find(|path| path.exists());
    found.ok_or_else(|| format!("the image {variant} is not built: make image").into())
}

/// The variant that speaks everything.
pub const EVERYTHING: &str = "es256-p256";

/// The same on Ethernet.
pub const EVERYTHING_UDP: &str = "es256-p256-udp";

/// The lock in C.
pub const IN_C: &str = "c";

/// Writes the chip of a board: what `latchwork lock enroll` wrote for the lock, and its own key if it has one.
pub fn write_chip(config: &Path, key: Option<&Path>, chip: &Path) -> Outcome<()> {
    let mut command = Command::new(program("door-lock")?);
    command.arg("flash").arg("--config").arg(config).arg("--chip").arg(chip);
    done(with_key(&mut command, key))
}

/// The same for the lock in C, which is compiled with what it is told.
pub fn link_chip(config: &Path, key: Option<&Path>, chip: &Path) -> Outcome<()> {
    let directory = TempDir::with_prefix("latchwork-")?;
    let mut command = Command::new(program("door-lock")?);
    command.arg("header").arg("--config").arg(config).arg("--out").arg(directory.path().join("lock_config.h"));
    done(with_key(&mut command, key))?;
    let built = image(IN_C)?;
    let target = built.ancestors().nth(2).ok_or("no target directory")?;
    let mut link = Command::new(repository()?.join("examples/door-lock/c/link"));
    done(link.env("CARGO_TARGET_DIR", target).arg("software").arg(directory.path()).arg(chip))
}

fn with_key<'c>(command: &'c mut Command, key: Option<&Path>) -> &'c mut Command {
    match key {
        Some(key) => command.arg("--key").arg(key),
        None => command,
    }
}

fn done(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// Passes datagrams on between a UDP socket and a serial line, in both directions, until dropped.
struct Line {
    address: SocketAddrV4,
    over: Arc<AtomicBool>,
    stream: UnixStream,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Line {
    fn open(stream: UnixStream) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(POLL))?;
        let SocketAddr::V4(address) = socket.local_addr()? else {
            return Err(io::Error::other("an IPv4 socket has an IPv4 address"));
        };
        let over = Arc::new(AtomicBool::new(false));
        let (down, up) = (stream.try_clone()?, stream.try_clone()?);
        let (from, to, ended) = (socket.try_clone()?, socket, Arc::clone(&over));
        let threads = vec![
            thread::spawn(move || towards_board(&from, address, down, &ended)),
            thread::spawn(move || from_board(&to, up)),
        ];
        Ok(Self { address, over, stream, threads })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn towards_board(from: &UdpSocket, own: SocketAddrV4, mut line: UnixStream, over: &AtomicBool) -> io::Result<()> {
    let (mut datagram, mut packet) = ([0; MAX_FRAME], [0; MAX_FRAME]);
    while !over.load(Ordering::Relaxed) {
        let (length, phone) = match from.recv_from(&mut datagram) {
            Ok((length, SocketAddr::V4(phone))) => (length, phone),
            Ok(_) => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            // An ICMP error for an earlier answer.
            Err(_) => continue,
        };
        let payload = datagram.get(..length).unwrap_or_default();
        let mut bytes = Vec::new();
        if let Some(packet) = (Packet { from: phone, to: own, payload }).write(&mut packet) {
            encode(packet, |byte| bytes.push(byte));
        }
        line.write_all(&bytes)?;
    }
    Ok(())
}

fn from_board(to: &UdpSocket, mut line: UnixStream) -> io::Result<()> {
    let mut decoder = Decoder::<MAX_FRAME>::new();
    let mut bytes = [0; 512];
    loop {
        let length = line.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        for &byte in bytes.get(..length).unwrap_or_default() {
            if let Some(packet) = decoder.push(byte).and_then(Packet::parse) {
                // A phone that has gone is no reason to stop.
                let _ = to.send_to(packet.payload, packet.to);
            }
        }
    }
}

const MAX_FRAME: usize = 2048;
const POLL: Duration = Duration::from_millis(20);
