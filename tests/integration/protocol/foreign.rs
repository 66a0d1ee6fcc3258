//! Clients of other protocols at our port, and our client at theirs (B10): what each can show to a person, that it
//! arrives whatever they had sent, and what the log says.

use std::time::Duration;

use rpc_runtime::{Channel, Code};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::faults::{
    log::Log,
    probe::{Served, Serving},
    raw::within,
};

/// What a client reads that sends `request` and then reads to the end, which must not be a reset.
async fn answer_to(serving: &Serving, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(serving.socket_address()).await.unwrap();
    let mut answer = Vec::new();
    let talking = async {
        stream.write_all(request).await.unwrap();
        if request.is_empty() {
            stream.shutdown().await.unwrap();
        }
        stream.read_to_end(&mut answer).await.unwrap();
    };
    within("the answer to a foreign peer", talking).await;
    answer
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_http_request_of_any_method_is_answered_by_a_whole_400_that_says_what_the_port_speaks() {
    let serving = Serving::start().await;
    for request in [
        "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "DELETE /things/7 HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        "PROPFIND /files HTTP/1.1\r\n\r\n",
        "GET http://example.org/ HTTP/1.1\r\n\r\n",
    ] {
        let answer = text(&answer_to(&serving, request.as_bytes()).await);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let lines: Vec<_> = head.split("\r\n").collect();
        let length = format!("content-length: {}", body.len());
        let expected =
            ["HTTP/1.1 400 Bad Request", "content-type: text/plain; charset=utf-8", &length, "connection: close"];
        assert_eq!(lines, expected, "{request}");
        assert!(body.contains("rpc protocol") && body.contains("not HTTP") && body.contains("rpc-runtime"), "{body}");
        assert!(body.ends_with('\n'));
    }
    serving.serves_a_fresh_client().await;
}

#[tokio::test]
async fn the_answer_to_an_http_head_request_has_no_body() {
    let serving = Serving::start().await;
    let answer = text(&answer_to(&serving, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(answer.matches("\r\n\r\n").count(), 1);
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_recognised_all_the_same() {
    let (peer, served) = Served::pipe(1);
    let mut io = peer.into_io();
    let (mut reader, mut writer) = tokio::io::split(&mut io);
    let mut answer = Vec::new();
    let request = async {
        for byte in b"GET / HTTP/1.1\r\n\r\n" {
            writer.write_all(&[*byte]).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    };
    within("the answer", async { tokio::join!(request, reader.read_to_end(&mut answer)).1.unwrap() }).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    let failure = served.ended().await.unwrap_err();
    assert_eq!(failure.code(), Code::InvalidArgument);
    assert!(failure.message().contains("an http request: \"GET / HTTP/1.1\""), "{failure}");
}

#[tokio::test]
async fn the_answer_is_read_to_its_end_by_a_client_that_had_sent_100_kib_behind_its_request() {
    let serving = Serving::start().await;
    for start in
        ["POST /upload HTTP/1.1\r\nContent-Length: 102400\r\n\r\n", "SSH-2.0-flood\r\n", "{\"jsonrpc\":\"2.0\"}\n"]
    {
        let request = [start.as_bytes(), &[b'x'; 100 << 10]].concat();
        for _ in 0..8 {
            let answer = answer_to(&serving, &request).await;
            assert!(text(&answer).contains("this port") || text(&answer).contains("This port"), "{}", text(&answer));
        }
    }
    serving.serves_a_fresh_client().await;
}

/// A close with unread input would reset the connection under the client's hands.
#[tokio::test]
async fn a_client_that_goes_on_sending_100_kib_behind_the_answer_is_not_reset() {
    let serving = Serving::start().await;
    let mut stream = TcpStream::connect(serving.socket_address()).await.unwrap();
    stream.write_all(b"POST /upload HTTP/1.1\r\nContent-Length: 102400\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 8];
    within("the beginning of the answer", stream.read_exact(&mut answer)).await.unwrap();
    for _ in 0..100 {
        stream.write_all(&[b'x'; 1_024]).await.unwrap();
        tokio::task::yield_now().await;
    }
    within("the end of the answer", stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 ") && answer.ends_with(b"PROTOCOL.md.\n"));
}

/// The frames of RFC 9113, taken apart by hand.
#[tokio::test]
async fn an_http2_client_gets_settings_a_response_of_400_with_the_sentence_and_a_goaway() {
    let serving = Serving::start().await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let answer = answer_to(&serving, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()).await;
    let mut rest = &answer[..];
    let mut frames = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<9>() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (body, behind) = behind.split_at(length);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        frames.push((head[3], head[4], stream, body));
        rest = behind;
    }
    assert!(rest.is_empty());
    let [settings, headers, data, go_away] = frames[..] else { panic!("{frames:?}") };
    assert_eq!(settings, (4, 0, 0, &[][..]));
    // END_HEADERS; the one indexed field `:status: 400`.
    assert_eq!(headers, (1, 4, 1, &[0x8C][..]));
    // END_STREAM.
    assert_eq!((data.0, data.1, data.2), (0, 1, 1));
    assert!(text(data.3).contains("not HTTP"), "{}", text(data.3));
    // The last stream, HTTP_1_1_REQUIRED, and the sentence.
    assert_eq!((go_away.0, go_away.1, go_away.2, &go_away.3[..8]), (7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 13][..]));
    assert_eq!(&go_away.3[8..], data.3);
}

#[tokio::test]
async fn a_tls_client_gets_a_fatal_alert() {
    let serving = Serving::start().await;
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 506]].concat();
    let answer = answer_to(&serving, &hello).await;
    // Alert, TLS 1.2, two bytes: fatal, no_application_protocol.
    assert_eq!(answer, [0x15, 3, 3, 0, 2, 2, 120]);
}

/// A line before the version (RFC 4253, 4.2), the version, and a disconnect message in a packet (6, 11.1).
#[tokio::test]
async fn an_ssh_client_gets_a_line_and_a_disconnect_message_with_the_sentence() {
    let serving = Serving::start().await;
    let answer = answer_to(&serving, b"SSH-2.0-OpenSSH_9.6\r\n").await;
    let mut lines = answer.splitn(3, |byte| *byte == b'\n');
    let line = text(lines.next().unwrap());
    assert!(
        line.starts_with("This port speaks the rpc protocol") && line.ends_with("\r") && line.len() < 255,
        "{line}"
    );
    assert_eq!(lines.next(), Some(&b"SSH-2.0-rpc\r"[..]));
    let packet = lines.next().unwrap();
    assert_eq!(packet.len() % 8, 0);
    let number = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(number(0), packet.len() - 4);
    let padding = usize::from(packet[4]);
    assert!(padding >= 4);
    // SSH_MSG_DISCONNECT, SERVICE_NOT_AVAILABLE, the text, an empty language.
    assert_eq!((packet[5], number(6)), (1, 7));
    let length = number(10);
    assert_eq!(text(&packet[14..14 + length]), line.trim_end());
    assert_eq!((number(14 + length), 14 + length + 4 + padding), (0, packet.len()));
}

#[tokio::test]
async fn json_without_the_magic_is_answered_by_a_line_of_json_that_names_the_magic() {
    let serving = Serving::start().await;
    let answer = answer_to(&serving, b"{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"id\":1}\n").await;
    assert!(answer.ends_with(b"\n"));
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["refusal"]["code"], 3);
    assert!(answer["refusal"]["reason"].as_str().unwrap().contains("F5 52 50 43"), "{answer}");
    assert!(answer["refusal"]["codecs"].as_array().unwrap().contains(&"json".into()), "{answer}");
}

#[tokio::test]
async fn each_protocol_is_named_with_its_peer_in_one_warning_and_a_flood_of_it_is_not_warned_of() {
    let table = [
        (&b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"[..], "an http request: \"GET /health HTTP/1.1\""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "the preface of an http/2 client"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a tls client hello"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an ssh banner: \"SSH-2.0-OpenSSH_9.6\""),
        (b"{\"a\":\"\x1b[2J\xff\"}\n", "json without the magic bytes: \"{\"a\":\"?[2J?\"}\""),
        (b"\x00\x01\x02\x03", "the peer sent [00, 01, 02, 03]"),
        (b"", "after 0 bytes of the handshake"),
    ];
    let (log, _listening) = Log::listen();
    let serving = Serving::start().await;
    for (bytes, name) in table {
        let before = log.warnings().len();
        for _ in 0..20 {
            answer_to(&serving, bytes).await;
        }
        serving.serves_a_fresh_client().await;
        let warnings = log.warnings().split_off(before);
        assert!(
            matches!(&warnings[..], [line] if line.contains(name) && line.contains("tcp://127.0.0.1")),
            "{warnings:?}"
        );
        assert_eq!(log.lines().iter().filter(|line| line.contains(name)).count(), 20, "{name}");
    }
}

/// The bytes of a foreign peer are hostile too: without an end they are not read without an end.
#[tokio::test(start_paused = true)]
async fn a_foreign_peer_that_sends_without_end_is_cut_off() {
    let (mut peer, served) = Served::pipe(1_024);
    peer.send(b"POST / HTTP/1.1\r\n").await;
    let mut taken = 0;
    while peer.try_send(&[b'x'; 1_024]).await.is_ok() {
        taken += 1;
        assert!(taken <= 1_100, "{taken} KiB were taken of a foreign peer");
    }
    assert!(served.ended().await.unwrap_err().message().contains("an http request"));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_peer_that_stays_silent_behind_its_request_is_closed_after_a_second() {
    let (mut peer, served) = Served::pipe(4_096);
    let began = tokio::time::Instant::now();
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(peer.rest().await.starts_with(b"HTTP/1.1 400 "));
    served.ended().await.unwrap_err();
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_dials_another_protocol_says_so_with_the_first_line() {
    for (answer, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"[..], "an http answer: \"HTTP/1.1 400 Bad Request\""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an ssh banner: \"SSH-2.0-OpenSSH_9.6\""),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a tls alert"),
        (b"220 mail.example.org ESMTP\r\n", "\"220 mail\""),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let server = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.write_all(answer).await.unwrap();
            stream
        };
        let (connected, _stream) = tokio::join!(within("connecting", Channel::connect(&address)), server);
        let failure = connected.unwrap_err();
        assert_eq!((failure.code(), failure.may_have_run()), (Code::Unavailable, false));
        assert!(failure.to_string().contains(said) && failure.to_string().contains(&address), "{failure}");
    }
}
