//! Hostile peers: each a small task on one thread that plays its script, over and over, from one of many addresses.

use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream, tcp::WriteHalf},
    runtime::Builder,
    sync::Semaphore,
    task::LocalSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    attack::{Plan, Script, Step},
    process,
    subject::Failure,
};

/// So many connections are begun in a second at most: this measures the server and not the kernel's queue.
const CONNECTIONS: usize = 2_000;
/// So many KiB are sent in a second at most, as over a link of 1 Gbit/s: what hostile peers spend would else be taken
/// from the server, which is on the same machine.
const KIB: usize = 119 << 10;
/// How often a part of this is let go.
const TICK: Duration = Duration::from_millis(2);
/// So many at a time: less than the server's queue of those that it has not accepted has places.
const CONNECTING: usize = 64;
/// The longest segment, as over Ethernet: for those of the loopback device the kernel keeps 2.6 MB for each connection
/// whose peer does not read, and a thousand such use up what it has for TCP in all.
const SEGMENT: u32 = 1_448;
/// So much is written at a time.
const CHUNK: usize = 64 << 10;
/// The addresses from which peers come, so that there are ports enough: 127.0.0.2 and so on.
const SOURCES: usize = 20;

/// What peers have done.
#[derive(Default)]
pub struct Tally {
    /// Connections that were begun.
    pub opened: AtomicU64,
    /// Those that there are.
    pub open: AtomicUsize,
    /// Bytes that the system took.
    pub sent: AtomicU64,
    stop: AtomicBool,
}

/// The attack that is under way.
pub struct Attack {
    tally: Arc<Tally>,
    thread: thread::JoinHandle<Result<Duration, Failure>>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

impl Attack {
    /// Begins it.
    pub fn begin(address: SocketAddr, plan: Plan) -> Self {
        let tally = Arc::<Tally>::default();
        let seen = Arc::clone(&tally);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, attack(address, Rc::new(plan), seen));
            // Drops all that is left of the tasks, and so closes every connection.
            drop(runtime);
            process::cpu_of_this_thread()
        });
        Self { tally, thread }
    }

    /// What was done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Ends it, which closes every connection; gives what the peers have spent.
    pub fn end(self) -> Result<Duration, Failure> {
        self.tally.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| "the hostile peers panicked")?
    }
}

async fn attack(address: SocketAddr, plan: Rc<Plan>, tally: Arc<Tally>) {
    let [rate, link, connecting] = [0, 0, CONNECTING].map(|permits| Rc::new(Semaphore::new(permits)));
    let peers = LocalSet::new();
    for number in 0..plan.peers {
        let script = Arc::clone(&plan.scripts[number % plan.scripts.len()]);
        let [rate, link, connecting] = [&rate, &link, &connecting].map(Rc::clone);
        let (plan, tally) = (Rc::clone(&plan), Arc::clone(&tally));
        let mut peer = Peer { address, number, script, link, plan, tally };
        peers.spawn_local(async move {
            loop {
                let Ok(turn) = rate.acquire().await else { return };
                turn.forget();
                let Ok(place) = connecting.acquire().await else { return };
                let connected = peer.connect().await;
                drop(place);
                if let Ok(stream) = connected {
                    peer.tally.open.fetch_add(1, Relaxed);
                    // That the server closes is what is hoped for.
                    let _ = peer.play(stream).await;
                    peer.tally.open.fetch_sub(1, Relaxed);
                }
            }
        });
    }
    let watch = async {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let share = |of: usize| of * TICK.as_millis() as usize / 1_000;
        while !tally.stop.load(Relaxed) {
            ticks.tick().await;
            // What was not used is not kept for long.
            for (permits, each_second) in [(&rate, CONNECTIONS), (&link, KIB)] {
                if permits.available_permits() < 10 * share(each_second) {
                    permits.add_permits(share(each_second));
                }
            }
        }
    };
    peers.run_until(watch).await;
}

struct Peer {
    address: SocketAddr,
    number: usize,
    script: Script,
    link: Rc<Semaphore>,
    plan: Rc<Plan>,
    tally: Arc<Tally>,
}

impl Peer {
    async fn connect(&mut self) -> io::Result<TcpStream> {
        self.tally.opened.fetch_add(1, Relaxed);
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.plan.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
        let source = Ipv4Addr::new(127, 0, 0, 2 + (self.number % SOURCES) as u8);
        // The system chooses the port when it knows both ends.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddrV4::new(source, 0).into())?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn play(&mut self, mut stream: TcpStream) -> io::Result<()> {
        for step in self.script.iter() {
            match step {
                Step::Send(bytes) => {
                    for part in bytes.chunks(CHUNK) {
                        self.send(&mut stream, part).await?;
                    }
                }
                Step::Drip(bytes) => self.drip(&mut stream, bytes).await?,
                Step::Await(count) => {
                    let mut left = *count;
                    while left > 0 {
                        left = left.saturating_sub(discard(&stream).await?);
                    }
                }
                Step::Flood(times, block) => {
                    let (reader, mut writer) = stream.split();
                    let reading = async {
                        loop {
                            discard(reader.as_ref()).await?;
                        }
                    };
                    tokio::select! {
                        ended = reading => { let ended: io::Result<()> = ended; ended? }
                        sent = self.flood(&mut writer, *times, &**block) => sent?,
                    }
                }
                Step::Linger(time) => {
                    let until = async { while discard(&stream).await.is_ok() {} };
                    let _ = timeout(*time, until).await;
                }
                Step::Read => while discard(&stream).await? > 0 {},
                Step::Hold => hold(&stream).await?,
            }
        }
        Ok(())
    }

    async fn drip(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            stream.write_all(std::slice::from_ref(byte)).await?;
            self.tally.sent.fetch_add(1, Relaxed);
            let second = async {
                loop {
                    discard(stream).await?;
                }
            };
            if let Ok(ended) = timeout(Duration::from_secs(1), second).await {
                let ended: io::Result<()> = ended;
                return ended;
            }
        }
        Ok(())
    }

    async fn flood(&self, writer: &mut WriteHalf<'_>, times: u64, block: &dyn Fn(u64) -> Vec<u8>) -> io::Result<()> {
        for number in 0..times {
            for part in block(number).chunks(CHUNK) {
                self.send(writer, part).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        // A frame of the link is no shorter.
        let kib = bytes.len().div_ceil(1_024);
        if let Ok(turn) = self.link.acquire_many(kib as u32).await {
            turn.forget();
        }
        writer.write_all(bytes).await?;
        self.tally.sent.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }
}

/// Reads and throws away; an end is an error.
async fn discard(stream: &TcpStream) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match SCRATCH.with_borrow_mut(|scratch| stream.try_read(scratch)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// Until the other side has gone, without reading what it says.
async fn hold(stream: &TcpStream) -> io::Result<()> {
    loop {
        sleep(Duration::from_secs(1)).await;
        let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
        if ready.is_read_closed() || ready.is_write_closed() {
            return Ok(());
        }
    }
}
