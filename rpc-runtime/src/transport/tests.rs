//! What every transport does alike, and what each does with its address.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

impl Writer {
    async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Owned(writer) => writer.write_all(bytes).await,
            Writer::Shared(writer) => {
                while !bytes.is_empty() {
                    poll_fn(|cx| writer.poll_write_ready(cx)).await?;
                    match writer.try_write_vectored(&[IoSlice::new(bytes)]) {
                        Ok(written) => bytes = &bytes[written..],
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Writer::Owned(writer) => writer.shutdown().await,
            Writer::Shared(writer) => writer.shutdown(),
        }
    }
}

/// One address of each kind, free; the directory holds the socket file.
fn addresses(test: &str) -> (TempDir, [Address; 3]) {
    let directory = tempfile::tempdir().unwrap();
    let unix = Address::Unix(directory.path().join("socket"));
    (directory, [Address::Tcp("127.0.0.1:0".into()), unix, Address::Memory(test.into())])
}

async fn pair(address: &Address) -> (Listener, Transport, Transport) {
    let listener = Listener::bind(address).await.unwrap();
    let address = listener.local_address().parse().unwrap();
    let (client, server) = tokio::join!(connect(&address), listener.accept());
    (listener, client.unwrap(), server.unwrap().unwrap())
}

fn kind_of<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let (_directory, addresses) = addresses("bytes_go_both_ways");
    for address in addresses {
        let (_listener, mut client, mut server) = pair(&address).await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
        let (mut there, mut back) = (vec![0; sent.len()], vec![0; sent.len()]);
        tokio::try_join!(
            client.writer.write_all(&sent),
            server.writer.write_all(&sent),
            client.reader.read_exact(&mut back),
            server.reader.read_exact(&mut there),
        )
        .unwrap();
        assert!(there == sent && back == sent, "{address}");
    }
}

#[tokio::test]
async fn both_ends_name_their_peer() {
    let (_directory, addresses) = addresses("both_ends_name_their_peer");
    for address in addresses {
        let (listener, client, server) = pair(&address).await;
        assert_eq!(client.peer, listener.local_address());
        match address {
            Address::Tcp(_) => assert!(server.peer.starts_with("tcp://127.0.0.1:") && server.peer != client.peer),
            _ => assert_eq!(server.peer, address.to_string()),
        }
    }
}

#[tokio::test]
async fn a_shut_write_side_ends_the_peers_stream_while_reads_go_on() {
    let (_directory, addresses) = addresses("a_shut_write_side");
    for address in addresses {
        let (_listener, mut client, mut server) = pair(&address).await;
        client.writer.write_all(b"last").await.unwrap();
        client.writer.shutdown().await.unwrap();
        let mut seen = Vec::new();
        server.reader.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"last");

        server.writer.write_all(b"answer").await.unwrap();
        drop(server);
        seen.clear();
        client.reader.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"answer");
        client.writer.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn dropping_both_halves_closes_the_pipe() {
    let (_directory, addresses) = addresses("dropping_both_halves");
    for address in addresses {
        let (_listener, client, mut server) = pair(&address).await;
        drop(client);
        assert_eq!(server.reader.read(&mut [0; 1]).await.unwrap(), 0, "{address}");
    }
}

#[tokio::test]
async fn a_shared_writer_says_would_block_while_the_peer_does_not_read_and_is_ready_once_it_does() {
    let (_directory, [tcp, unix, _]) = addresses("");
    for address in [tcp, unix] {
        let (_listener, client, mut server) = pair(&address).await;
        let Writer::Shared(writer) = client.writer else { panic!("{address} has no shared writer") };
        let chunk = [7; 65_536];
        let mut written = 0;
        poll_fn(|cx| writer.poll_write_ready(cx)).await.unwrap();
        let error = loop {
            match writer.try_write_vectored(&[IoSlice::new(&chunk), IoSlice::new(&chunk)]) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);

        let mut seen = vec![0; written];
        tokio::try_join!(poll_fn(|cx| writer.poll_write_ready(cx)), server.reader.read_exact(&mut seen)).unwrap();
        assert!(writer.try_write_vectored(&[IoSlice::new(&chunk)]).unwrap() > 0);
    }
}

#[tokio::test]
async fn an_address_is_taken_once_and_free_again_when_the_listener_is_dropped() {
    let (_directory, addresses) = addresses("an_address_is_taken_once");
    for address in addresses {
        let first = Listener::bind(&address).await.unwrap();
        let address = first.local_address().parse::<Address>().unwrap();
        assert_eq!(kind_of(Listener::bind(&address).await), Some(ErrorKind::AddrInUse), "{address}");
        drop(first);
        Listener::bind(&address).await.unwrap();
    }
}

#[tokio::test]
async fn connecting_where_nobody_listens_is_refused() {
    let (_directory, addresses) = addresses("connecting_where_nobody_listens");
    for address in addresses {
        let listener = Listener::bind(&address).await.unwrap();
        let address = listener.local_address().parse::<Address>().unwrap();
        drop(listener);
        let expected = match address {
            Address::Unix(_) => ErrorKind::NotFound,
            _ => ErrorKind::ConnectionRefused,
        };
        assert_eq!(kind_of(connect(&address).await), Some(expected), "{address}");
    }
}

#[tokio::test]
async fn port_zero_becomes_the_real_port() {
    let listener = Listener::bind(&Address::Tcp("localhost:0".into())).await.unwrap();
    let Ok(Address::Tcp(text)) = listener.local_address().parse() else { panic!("not a tcp address") };
    assert_ne!(text.parse::<SocketAddr>().unwrap().port(), 0);
    connect(&listener.local_address().parse().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_tcp_connection_sends_small_writes_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = tcp::dial(&listener.local_addr().unwrap().to_string()).await.unwrap();
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn a_dead_address_of_a_host_is_passed_over() {
    let alive = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (dead, alive) = (Dead::new(), alive.local_addr().map(|address| (address, alive)).unwrap());
    let stream = tcp::first_of(&[dead.address, alive.0], TcpStream::connect).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), alive.0);
}

#[tokio::test]
async fn when_all_addresses_of_a_host_are_dead_each_is_named() {
    let (one, two) = (Dead::new(), Dead::new());
    let error = tcp::first_of(&[one.address, two.address], TcpStream::connect).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let text = error.to_string();
    assert!([one, two].iter().all(|dead| text.contains(&format!("{}: ", dead.address))), "{text}");
    assert_eq!(kind_of(tcp::first_of(&[], TcpStream::connect).await), Some(ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_never_answers_is_passed_over() {
    let addresses: [SocketAddr; 2] = [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()];
    let attempt = |address: SocketAddr| async move {
        match address.port() {
            1 => std::future::pending().await,
            port => Ok(port),
        }
    };
    assert_eq!(tcp::first_of(&addresses, attempt).await.unwrap(), 2);
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    pair(&Address::Unix(path)).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(kind_of(Listener::bind(&Address::Unix(path.clone())).await), Some(ErrorKind::AddrInUse));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn the_socket_file_goes_with_its_listener_unless_it_is_anothers_by_then() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("socket"), directory.path().join("aside"));
    let first = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
    let second = Listener::bind(&Address::Unix(aside.clone())).await.unwrap();
    std::fs::rename(&aside, &path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(path.exists(), "a file that was moved is no longer looked after");

    let third = directory.path().join("third");
    drop(Listener::bind(&Address::Unix(third.clone())).await.unwrap());
    assert!(!third.exists());
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_of_a_unix_socket_is_waited_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let listener = socket.listen(1).unwrap();
    let waiting: Vec<_> = (0..10).map_while(|_| nonblocking_connect(&path).ok()).collect();
    assert!(waiting.len() < 10, "the backlog is not full");
    tokio::try_join!(unix::connect(&path), async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        listener.accept().await
    })
    .unwrap();
}

#[tokio::test]
async fn a_pipe_in_the_backlog_of_a_dropped_listener_ends() {
    let address = Address::Memory("a_pipe_in_the_backlog".into());
    let listener = Listener::bind(&address).await.unwrap();
    let mut client = connect(&address).await.unwrap();
    drop(listener);
    assert_eq!(client.reader.read(&mut [0; 1]).await.unwrap(), 0);
}

/// An address that refuses: its port is taken, and nobody listens.
struct Dead {
    address: SocketAddr,
    _socket: socket2::Socket,
}

impl Dead {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self { address: socket.local_addr().unwrap().as_socket().unwrap(), _socket: socket }
    }
}

fn nonblocking_connect(path: &std::path::Path) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(path)?)?;
    Ok(socket)
}
