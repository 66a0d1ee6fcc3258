//! The dialling side against accepting sides that are silent, endless, refuse, or answer what was not asked (B7, B12).

use std::time::Duration;

use rpc_runtime::{Channel, Code, CodecKind, Status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpListener,
    time::Instant,
};

use super::raw::{self, Peer, within};

/// B12, the silence.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_after_five_seconds() {
    let (near, _far) = tokio::io::duplex(4_096);
    let began = Instant::now();
    let failure = dial(near).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(failure.message().contains("handshake_timeout, 5s"), "{failure}");
}

/// B12: one total time, however the bytes come.
#[tokio::test(start_paused = true)]
async fn a_server_that_answers_one_byte_a_second_is_given_up_after_five_seconds() {
    let (near, mut far) = tokio::io::duplex(4_096);
    let began = Instant::now();
    let dribble = async {
        for byte in raw::welcome("bincode") {
            far.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let failure = tokio::select! {
        failure = dial(near) => failure,
        () = dribble => panic!("the whole welcome was awaited"),
    };
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(failure.message().contains("handshake_timeout, 5s"), "{failure}");
}

/// B12, the truncation.
#[tokio::test]
async fn an_answer_that_is_cut_off_fails_at_once_and_names_the_count_of_bytes() {
    let welcome = raw::welcome("bincode");
    for cut in 0..welcome.len() {
        let failure = dialled_to(&welcome[..cut]).await;
        assert!(failure.message().contains(&format!("after {cut} bytes of the handshake")), "{failure}");
    }
}

/// B12, the endless and the wrong answers: each fails without waiting for more, and says what came.
#[tokio::test]
async fn answers_that_are_none_fail_at_once_and_say_what_came() {
    let text = |text: &str| raw::handshake(text);
    let welcome = r#"{"version":1,"codec":"bincode"}"#;
    let refusal = r#"{"code":1,"versions":{"min":1,"max":1}}"#;
    let table = [
        ([&raw::MAGIC[..], &[0xFF, 0xFF]].concat(), "65535 bytes, the limit is 4096"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "http"),
        (b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), "tls"),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "ssh"),
        (b"{\"error\":1}".to_vec(), "json without the magic"),
        (b"nonsense".to_vec(), "expected a handshake"),
        (text("{}"), "not exactly one of"),
        (text(&format!(r#"{{"welcome":{welcome},"refusal":{refusal}}}"#)), "not exactly one of"),
        (text(r#"{"welcome":{"version":1}}"#), "codec"),
        (text(r#"{"welcome":{"version":2,"codec":"bincode"}}"#), "version 2"),
        (text(r#"{"welcome":{"version":1,"codec":"json"}}"#), "\"json\""),
        (text("not json"), "malformed handshake"),
        (raw::hello("bincode"), "not exactly one of"),
    ];
    for (answer, said) in table {
        let (near, mut far) = tokio::io::duplex(4_096);
        far.write_all(&answer).await.unwrap();
        let failure = within("the failure of the handshake", dial(near)).await;
        assert!(failure.message().contains(said), "{failure} does not say {said}");
    }
}

/// B7: the refusal is the error of `connect`, over a real socket, with what the server has to offer.
#[tokio::test]
async fn a_refusal_is_the_error_of_connect_and_names_reason_versions_and_codecs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let refusing = async {
        let mut peer = Peer::new(listener.accept().await.unwrap().0);
        peer.handshake().await;
        let refusal = r#"{"code":12,"reason":"no such codec","versions":{"min":3,"max":4},"codecs":["cbor","xml"]}"#;
        peer.send(&raw::handshake(&format!(r#"{{"refusal":{refusal}}}"#))).await;
        peer.end().await;
    };
    let (connected, ()) = tokio::join!(within("connecting", Channel::connect(&address)), refusing);
    let failure = connected.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Unimplemented, false));
    for said in [&address[..], "no such codec", "version 3 to 4", "cbor, xml"] {
        assert!(failure.to_string().contains(said), "{failure} does not say {said}");
    }
}

/// B7: every code of a refusal arrives, an unknown one as `UNKNOWN`.
#[tokio::test]
async fn the_code_of_a_refusal_is_the_code_of_the_error() {
    for (number, code) in
        [(8, Code::ResourceExhausted), (14, Code::Unavailable), (16, Code::Unauthenticated), (99, Code::Unknown)]
    {
        let refusal = format!(r#"{{"refusal":{{"code":{number},"versions":{{"min":1,"max":1}}}}}}"#);
        assert_eq!(dialled_to(&raw::handshake(&refusal)).await.code(), code);
    }
}

/// B12: a refusal that was sent before the Hello could be written is read all the same.
#[tokio::test]
async fn a_refusal_is_read_although_the_hello_could_not_be_written() {
    let (near, mut far) = tokio::io::duplex(4_096);
    let refusal = r#"{"refusal":{"code":8,"reason":"too many","versions":{"min":1,"max":1}}}"#;
    far.write_all(&raw::handshake(refusal)).await.unwrap();
    let (reader, _) = tokio::io::split(near);
    let (writer, other) = tokio::io::duplex(16);
    drop(other);
    let shaken = Channel::builder().handshake(tokio::io::join(reader, writer), "raw").await;
    let failure = shaken.unwrap_err();
    assert_eq!(failure.code(), Code::ResourceExhausted);
    assert!(failure.message().contains("too many"), "{failure}");
}

/// What the handshake over `near` fails with: never a call that may have run, and with the peer's name.
async fn dial(near: DuplexStream) -> Status {
    let failure = Channel::builder().codec(CodecKind::Bincode).handshake(near, "raw").await.unwrap_err();
    assert!(!failure.may_have_run(), "{failure}");
    assert!(failure.to_string().contains("raw: "), "{failure}");
    failure
}

/// The same to a server that answers with `bytes` and ends.
async fn dialled_to(bytes: &[u8]) -> Status {
    let (near, mut far) = tokio::io::duplex(8_192);
    let answering = async {
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        // The Hello is read, so that its write does not fail.
        let mut hello = Vec::new();
        far.read_to_end(&mut hello).await.unwrap();
    };
    let (failure, ()) = tokio::join!(within("the failure of the handshake", dial(near)), answering);
    failure
}
