//! Servers that break the protocol: every request ends with a typed error, and none hangs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use ormdb_client::framed::{read_header, read_payload, write_frame};
use ormdb_client::{Address, Client, ConnectOptions};
use ormdb_proto::block::{ColumnKind, ColumnType};
use ormdb_proto::frame::{FrameHeader, FrameType};
use ormdb_proto::ir::Params;
use ormdb_proto::message::{Done, PROTOCOL_VERSION, Text, Welcome, encode};
use ormdb_proto::result::{ChunkBuilder, ResultShape, ShapeColumn, ShapeNode, Trailer};
use ormdb_proto::{Error, ErrorCode, GraphResult, Result, Token};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A frame that the server sends.
type Frame = (FrameType, u32, bool, Vec<u8>);

async fn send(stream: &mut TcpStream, (kind, request, last, payload): &Frame) {
    let header = FrameHeader::of(*kind, *request, [&**payload]).unwrap();
    let header = if *last { header.last() } else { header };
    write_frame(stream, &header, [&**payload]).await.unwrap();
    stream.flush().await.unwrap();
}

fn welcome(version: u16) -> Frame {
    let server = "hostile".to_owned();
    let welcome = Welcome {
        login: None,
        version,
        server,
        frame_bytes_max: 1 << 20,
        requests_max: 8,
        idle_timeout_ms: 0,
    };
    (FrameType::Welcome, 0, true, encode(&welcome).unwrap().to_vec())
}

/// A server that reads a hello, greets, reads a request, sends these frames and bytes, and closes.
async fn hostile(greeting: Frame, frames: Vec<Frame>, bytes: &'static [u8]) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = read_header(&mut stream, 4096).await.unwrap();
        read_payload(&mut stream, &hello).await.unwrap();
        send(&mut stream, &greeting).await;
        let Ok(request) = read_header(&mut stream, 1 << 20).await else { return };
        read_payload(&mut stream, &request).await.unwrap();
        for frame in &frames {
            send(&mut stream, frame).await;
        }
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    Address::tcp("127.0.0.1", port)
}

async fn answer(frames: Vec<Frame>, bytes: &'static [u8]) -> Result<GraphResult> {
    let address = hostile(welcome(PROTOCOL_VERSION), frames, bytes).await;
    let client = Client::connect_with(&address, &ConnectOptions::default()).await.unwrap();
    client.with_deadline(Duration::from_secs(60)).fetch("E", &Params::none()).await
}

/// The frames of a sound result.
fn sound() -> Vec<Frame> {
    let columns = vec![ShapeColumn::new("n", ColumnType::Scalar(ColumnKind::Int64))];
    let nodes = vec![ShapeNode { entity: "E".to_owned(), columns, edges: vec![] }];
    let shape = Arc::new(ResultShape { nodes });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    chunk.entity(0).unwrap().column(0).unwrap().push_i64(7).unwrap();
    chunk.put_roots(&[0]).unwrap();
    let result = GraphResult::new(shape, vec![chunk.finish().unwrap()], Token::new(1, 2), 3);
    let chunk: Vec<u8> = result.chunks().iter().flat_map(|c| c.parts()).flatten().copied().collect();
    vec![
        (FrameType::Shape, 1, false, encode(&**result.shape()).unwrap().to_vec()),
        (FrameType::Chunk, 1, false, chunk),
        (FrameType::Trailer, 1, true, encode(result.trailer()).unwrap().to_vec()),
    ]
}

#[tokio::test]
async fn a_sound_answer_is_taken() {
    assert_eq!(answer(sound(), b"").await.unwrap().to_json().unwrap(), r#"[{"n":7}]"#);
}

#[tokio::test]
async fn what_has_no_place_ends_the_connection() {
    let changed = |change: &dyn Fn(&mut Vec<Frame>)| {
        let mut frames = sound();
        change(&mut frames);
        frames
    };
    let miscounted = Trailer { token: Token::new(1, 2), plan: 3, rows: 99, bytes: 0 };
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("no shape", changed(&|f| drop(f.remove(0)))),
        ("two shapes", changed(&|f| f.insert(0, f[0].clone()))),
        ("no trailer, but an end", changed(&|f| f[1].2 = true)),
        ("no end", changed(&|f| f[2].2 = false)),
        ("a miscounting trailer", changed(&|f| f[2].3 = encode(&miscounted).unwrap().to_vec())),
        ("a damaged shape", changed(&|f| f[0].3.reverse())),
        ("a damaged chunk", changed(&|f| f[1].3[40] ^= 1)),
        ("a request", vec![(FrameType::ShowSchema, 1, false, vec![])]),
        (
            "a frame of no request",
            vec![(FrameType::Pong, 0, true, vec![]), (FrameType::Trailer, 0, true, vec![])],
        ),
    ];
    for (case, frames) in cases {
        let error = answer(frames, b"").await.unwrap_err();
        // Without an end the answer is waited for, until the connection is lost.
        let expected =
            if case == "no end" { ErrorCode::ConnectionFailed } else { ErrorCode::ProtocolViolation };
        assert_eq!(error.code, expected, "{case}: {error:?}");
        assert_eq!(error.detail.maybe_executed, Some(true), "{case}");
    }
    let error = answer(vec![], b"HTTP/1.1 400 Bad Request\r\n\r\n and more").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProtocolViolation);
}

#[tokio::test]
async fn a_lost_connection_says_that_the_request_may_have_run() {
    for frames in [vec![], sound()[..2].to_vec()] {
        let error = answer(frames, b"").await.unwrap_err();
        assert_eq!((error.code, error.detail.maybe_executed), (ErrorCode::ConnectionFailed, Some(true)));
    }
    let last_words = encode(&Error::new(ErrorCode::ShuttingDown, "bye")).unwrap().to_vec();
    let error = answer(vec![(FrameType::Error, 0, true, last_words)], b"").await.unwrap_err();
    assert_eq!((error.code, error.detail.maybe_executed), (ErrorCode::ShuttingDown, Some(true)));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_no_answer() {
    let text = encode(&Text { text: "entity E {}".to_owned() }).unwrap().to_vec();
    let error = answer(vec![(FrameType::Text, 1, true, text)], b"").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProtocolViolation);
    // A statement that gives no graph is refused where one is asked for: a server that says it is done breaks the protocol.
    let done = encode(&Done { token: None }).unwrap().to_vec();
    let error = answer(vec![(FrameType::Done, 1, true, done)], b"").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProtocolViolation);
}

#[tokio::test]
async fn a_greeting_must_be_one() {
    let refused = encode(&Error::new(ErrorCode::ServerBusy, "full")).unwrap().to_vec();
    let cases = [
        (welcome(PROTOCOL_VERSION + 1), ErrorCode::ProtocolViolation),
        ((FrameType::Pong, 0, true, vec![]), ErrorCode::ProtocolViolation),
        ((FrameType::Error, 0, true, refused), ErrorCode::ServerBusy),
    ];
    for (greeting, expected) in cases {
        let address = hostile(greeting, vec![], b"").await;
        let error = Client::connect_with(&address, &ConnectOptions::default()).await.unwrap_err();
        assert_eq!(error.code, expected);
    }
    // Nobody answers at all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = Address::tcp("127.0.0.1", port);
    let options = ConnectOptions { connect_timeout: Duration::from_millis(50), ..ConnectOptions::default() };
    let error = Client::connect_with(&silent, &options).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConnectionFailed);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (kept, silent) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = read_header(&mut stream, 4096).await.unwrap();
        read_payload(&mut stream, &hello).await.unwrap();
        let welcome = Welcome {
            login: None,
            version: PROTOCOL_VERSION,
            server: "silent".to_owned(),
            frame_bytes_max: 1 << 20,
            requests_max: 8,
            idle_timeout_ms: 300,
        };
        send(&mut stream, &(FrameType::Welcome, 0, true, encode(&welcome).unwrap().to_vec())).await;
        // Its machine is gone: the connection stays, and nothing comes.
        kept.send(stream).unwrap();
    });
    let client =
        Client::connect_with(&Address::tcp("127.0.0.1", port), &ConnectOptions::default()).await.unwrap();
    let _stream = silent.await.unwrap();
    let error = client.fetch("E", &Params::none()).await.unwrap_err();
    assert_eq!((error.code, error.detail.maybe_executed), (ErrorCode::ConnectionFailed, Some(true)));
    assert!(error.message.contains("no signs of life"), "{}", error.message);
}

#[tokio::test]
async fn a_server_that_logs_nobody_in_is_not_taken() {
    let challenge = |step: &str| {
        let step = step.to_owned();
        (FrameType::Challenge, 0, true, encode(&ormdb_proto::message::Challenge { step }).unwrap().to_vec())
    };
    let cases = [
        // It welcomes without a proof that it knows the user.
        (welcome(PROTOCOL_VERSION), ErrorCode::AuthenticationFailed),
        (challenge(""), ErrorCode::ProtocolViolation),
        (challenge("r=abc,s=AAAA,i=4096"), ErrorCode::ProtocolViolation),
        (challenge("r=abc,s=AAAA,i=4000000000"), ErrorCode::ProtocolViolation),
    ];
    for (greeting, expected) in cases {
        let login = ormdb_client::Credentials { user: "ann".to_owned(), password: "one".to_owned() };
        let address = hostile(greeting, vec![], b"").await.with_credentials(login);
        let error = Client::connect_with(&address, &ConnectOptions::default()).await.unwrap_err();
        assert_eq!(error.code, expected, "{error:?}");
    }
    // Asked for a proof without a login, a client gives none.
    let address = hostile(challenge("r=abc,s=AAAA,i=4096"), vec![], b"").await;
    let error = Client::connect_with(&address, &ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProtocolViolation);
}
