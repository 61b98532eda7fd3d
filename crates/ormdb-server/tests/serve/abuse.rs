//! Clients that break the protocol lose their connection with a typed error, and the server lives.

use std::io::{Read, Write};
use std::net::TcpStream;

use ormdb::Params;
use ormdb_client::Client;
use ormdb_proto::frame::{FrameHeader, FrameType, HEADER_LEN};
use ormdb_proto::message::{
    Challenge, ClosePrepared, Credit, ExecutePrepared, Hello, HelloOfAnyVersion, Message, PROTOCOL_VERSION,
    Prepare, Proof, Query, StatementSource, Welcome, decode, encode,
};
use ormdb_proto::{Error, ErrorCode};

use crate::process::{SCHEMA, Server, ormdb};

/// A connection without the shipped client's manners.
/// The second is its window.
struct Raw(TcpStream, u32);

impl Raw {
    fn connect(server: &Server) -> Raw {
        Raw(TcpStream::connect(server.address()).unwrap(), 0)
    }

    fn send(&mut self, header: FrameHeader, payload: &[u8]) {
        self.0.write_all(&header.encode()).unwrap();
        self.0.write_all(payload).unwrap();
    }

    fn receive(&mut self) -> (FrameHeader, Vec<u8>) {
        let mut header = [0; HEADER_LEN];
        self.0.read_exact(&mut header).unwrap();
        let header = FrameHeader::decode(&header, 1 << 24).unwrap();
        let mut payload = vec![0; header.length as usize];
        self.0.read_exact(&mut payload).unwrap();
        header.check_payload(&payload).unwrap();
        (header, payload)
    }

    fn hello(&mut self, version_min: u16, version_max: u16) {
        let hello = Hello {
            login: None,
            window_bytes: self.1,
            version_min,
            version_max,
            client: "raw".to_owned(),
            frame_bytes_max: 1 << 20,
        };
        let payload = encode(&hello).unwrap();
        self.send(FrameHeader::of(Hello::KIND, 0, [&*payload]).unwrap(), &payload);
    }

    /// Connects and shakes hands.
    fn greeted(server: &Server) -> Raw {
        let mut raw = Raw::connect(server);
        raw.hello(PROTOCOL_VERSION, PROTOCOL_VERSION);
        let (header, payload) = raw.receive();
        assert_eq!(header.kind, FrameType::Welcome);
        decode::<Welcome>(&payload).unwrap();
        raw
    }

    fn query(&mut self, request: u32, text: &str) {
        let query = Query { text: text.to_owned(), params: Params::none() };
        let payload = encode(&query).unwrap();
        self.send(FrameHeader::of(FrameType::Query, request, [&*payload]).unwrap(), &payload);
    }

    /// The error that ends the connection.
    fn last_words(mut self) -> Error {
        loop {
            let (header, payload) = self.receive();
            if header.request == 0 && header.kind == FrameType::Error {
                assert_eq!(self.0.read(&mut [0; 1]).unwrap(), 0, "the connection is closed");
                return decode(&payload).unwrap();
            }
        }
    }
}

fn header(kind: FrameType, request: u32) -> FrameHeader {
    FrameHeader::of(kind, request, [&[][..]]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_protocol_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--frame-mib-max", "1"]);
    let client = server.client().await;

    let mut garbage = Raw::connect(&server);
    garbage.0.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n").unwrap();
    assert_eq!(garbage.last_words().code, ErrorCode::ProtocolViolation);
    client.ping().await.unwrap();

    for (min, max) in [(PROTOCOL_VERSION + 1, 9), (0, 0), (9, PROTOCOL_VERSION)] {
        let mut other_version = Raw::connect(&server);
        other_version.hello(min, max);
        let error = other_version.last_words();
        assert_eq!(error.code, ErrorCode::ProtocolViolation);
        let spoken = format!("version {PROTOCOL_VERSION},");
        assert!(error.message.contains(&spoken), "{}", error.message);
    }

    let mut no_hello = Raw::connect(&server);
    no_hello.query(1, "Artist");
    assert_eq!(no_hello.last_words().code, ErrorCode::ProtocolViolation);

    let mut huge = Raw::greeted(&server);
    let claim = FrameHeader { length: u32::MAX, ..header(FrameType::Query, 1) };
    huge.0.write_all(&claim.encode()).unwrap();
    let error = huge.last_words();
    assert_eq!((error.code, error.detail.limit.unwrap().allowed), (ErrorCode::LimitExceeded, 1 << 20));

    let mut damaged = Raw::greeted(&server);
    damaged.send(FrameHeader { length: 4, crc: 1, ..header(FrameType::Query, 1) }, b"abcd");
    assert_eq!(damaged.last_words().code, ErrorCode::ProtocolViolation);

    let mut backwards = Raw::greeted(&server);
    backwards.send(header(FrameType::Trailer, 1), &[]);
    assert_eq!(backwards.last_words().code, ErrorCode::ProtocolViolation);

    let mut nameless = Raw::greeted(&server);
    nameless.query(0, "Artist");
    assert_eq!(nameless.last_words().code, ErrorCode::ProtocolViolation);

    // A payload that is no such message is the request's fault, and ends nothing else.
    let mut wrong = Raw::greeted(&server);
    let payload = b"this is no archive of a query, yet its checksum fits";
    wrong.send(FrameHeader::of(FrameType::Query, 7, [&payload[..]]).unwrap(), payload);
    let (answer, payload) = wrong.receive();
    assert_eq!((answer.kind, answer.request, answer.is_last()), (FrameType::Error, 7, true));
    assert_eq!(decode::<Error>(&payload).unwrap().code, ErrorCode::ProtocolViolation);
    wrong.send(header(FrameType::Ping, 8), &[]);
    assert_eq!(wrong.receive().0.kind, FrameType::Pong);

    // Gone in the middle of a frame.
    let mut cut = Raw::greeted(&server);
    cut.0.write_all(&header(FrameType::Query, 1).encode()[..HEADER_LEN / 2]).unwrap();
    drop(cut);
    client.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stalls_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--frame-timeout", "0.2", "--idle-timeout", "0.4"]);
    let polite = server.client().await;
    let silent = Raw::connect(&server);
    assert_eq!(silent.last_words().code, ErrorCode::ProtocolViolation);
    let mut slow = Raw::greeted(&server);
    slow.0.write_all(&header(FrameType::Query, 1).encode()[..5]).unwrap();
    assert_eq!(slow.last_words().code, ErrorCode::ProtocolViolation);
    // Half open: it shook hands and says nothing more.
    let mut quiet = Raw::greeted(&server);
    assert_eq!(quiet.0.read(&mut [0; 1]).unwrap(), 0);
    // The shipped client was as quiet for as long, and gave signs of life.
    polite.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--frame-timeout", "0.5", "--requests-max", "4"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let long = Params::none().with("name", "x".repeat(200_000));
    let create = "create Artist { name: \"a\", albums: create { title: $name } }";
    client.query(create, &long).await.unwrap();
    let mut deaf = Raw::greeted(&server);
    // More answers than sockets and queues hold; then nothing more is read of it, and at last it is cut off.
    let query = Query { text: format!("Album{:60000}", ""), params: Params::none() };
    let payload = encode(&query).unwrap();
    for request in 1.. {
        let header = FrameHeader::of(FrameType::Query, request, [&*payload]).unwrap();
        if deaf.0.write_all(&header.encode()).and_then(|()| deaf.0.write_all(&payload)).is_err() {
            break;
        }
        client.ping().await.unwrap();
    }
    client.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_all_answered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--requests-max", "4"]);
    server.client().await.apply_schema(SCHEMA).await.unwrap();
    let mut raw = Raw::greeted(&server);
    // Far more than may be in flight, all written before anything is read.
    for request in 1..=100 {
        raw.query(request, "Artist { name }");
    }
    let mut answered = std::collections::HashSet::new();
    while answered.len() < 100 {
        let (header, _) = raw.receive();
        assert_ne!(header.kind, FrameType::Error);
        if header.is_last() {
            assert!(answered.insert(header.request));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_too_many_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--connections-max", "2"]);
    let (first, second) = (server.client().await, server.client().await);
    let error = Client::connect(&server.tcp).await.unwrap_err();
    assert_eq!((error.code, error.detail.limit.unwrap().allowed), (ErrorCode::ServerBusy, 2));
    first.ping().await.unwrap();
    second.close();
    // Its place is free as soon as the server has heard of it.
    loop {
        match Client::connect(&server.unix).await {
            Ok(third) => break third.ping().await.unwrap(),
            Err(error) => assert_eq!(error.code, ErrorCode::ServerBusy),
        }
    }
}

#[test]
fn only_loopback_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let refused = ormdb().arg("serve").arg(dir.path()).args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("there is no TLS and there are no users"), "{told}");
    assert!(refused.stdout.is_empty());
}

#[test]
fn a_database_is_served_once() {
    let dir = tempfile::tempdir().unwrap();
    let _server = Server::start(dir.path(), &[]);
    let mut second = ormdb();
    second.arg("serve").arg(crate::process::database(dir.path())).args(["--listen", "127.0.0.1:0"]);
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(5));
    assert!(String::from_utf8(second.stderr).unwrap().contains("database_locked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_nest_too_deep_are_refused() {
    use ormdb_proto::ir::{Expr, Fetch, Include, SelectItem, Selection, Statement, UnaryOp};
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let fetch = |selection| Statement::Fetch(Fetch::of("Artist", selection));
    let negated = |levels: usize| {
        let truth = Expr::binary(ormdb_proto::ir::BinaryOp::Equal, Expr::path(["id"]), Expr::literal(1i64));
        let filter = (0..levels).fold(truth, |e, _| Expr::Unary { op: UnaryOp::Not, operand: Box::new(e) });
        fetch(Selection { filter: Some(filter), ..Selection::default() })
    };
    let included = |levels: usize| {
        let selection = (0..levels).fold(Selection::default(), |selection, at| {
            let relation = if at % 2 == 0 { "artist" } else { "albums" }.to_owned();
            let include = Include { alias: None, relation, span: None, recursive: None, selection };
            Selection { items: vec![SelectItem::Include(Box::new(include))], ..Selection::default() }
        });
        fetch(selection)
    };
    // What is just within the bound runs, or meets another limit.
    client.execute(&negated(125), &Params::none()).await.unwrap();
    let error = client.execute(&included(126), &Params::none()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded, "{error:?}");
    for levels in [200, 380] {
        let error = client.execute(&negated(levels), &Params::none()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::LimitExceeded, "{levels}");
    }
    for statement in [negated(1000), included(300)] {
        let error = client.execute(&statement, &Params::none()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ProtocolViolation);
    }
    client.ping().await.unwrap();
}

/// A message that the shipped client would not send there.
fn post<M>(raw: &mut Raw, request: u32, message: &M)
where
    M: Message
        + for<'a> rkyv::Serialize<
            rkyv::api::high::HighSerializer<
                rkyv::util::AlignedVec,
                rkyv::ser::allocator::ArenaHandle<'a>,
                rkyv::rancor::Error,
            >,
        >,
{
    let payload = encode(message).unwrap();
    raw.send(FrameHeader::of(M::KIND, request, [&*payload]).unwrap(), &payload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_none_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--frame-timeout", "0.5"]);
    let client = server.client().await;

    // The hello of version 5, byte for byte: the fields that every version has.
    let mut old = Raw::connect(&server);
    let hello = HelloOfAnyVersion {
        version_min: 5,
        version_max: 5,
        client: "old".to_owned(),
        frame_bytes_max: 1 << 20,
    };
    post(&mut old, 0, &hello);
    let error = old.last_words();
    assert!(error.message.contains("speaks version 7, the client 5 to 5"), "{}", error.message);
    let mut cut = Raw::connect(&server);
    post(&mut cut, 0, &HelloOfAnyVersion { version_min: 7, version_max: 7, ..hello });
    assert_eq!(cut.last_words().code, ErrorCode::ProtocolViolation);

    let hello = |login: Option<String>| Hello {
        login,
        window_bytes: 0,
        version_min: PROTOCOL_VERSION,
        version_max: PROTOCOL_VERSION,
        client: "raw".to_owned(),
        frame_bytes_max: 1 << 20,
    };
    let first = || Some("n,,n=ann,r=abc".to_owned());
    for (step, expected) in [
        ("", ErrorCode::ProtocolViolation),
        ("n,,n=ann", ErrorCode::ProtocolViolation),
        ("p=tls-exporter,,n=ann,r=abc", ErrorCode::AuthenticationFailed),
        ("x".repeat(3000).as_str(), ErrorCode::ProtocolViolation),
    ] {
        let mut wrong = Raw::connect(&server);
        post(&mut wrong, 0, &hello(Some(step.to_owned())));
        assert_eq!(wrong.last_words().code, expected, "{step}");
    }
    let mut long = Raw::connect(&server);
    post(&mut long, 0, &hello(Some("x".repeat(5000))));
    assert_eq!(long.last_words().code, ErrorCode::LimitExceeded);
    // Something else than the proof, a proof of nothing, and silence.
    let challenged = || {
        let mut raw = Raw::connect(&server);
        post(&mut raw, 0, &hello(first()));
        let (header, payload) = raw.receive();
        assert_eq!(header.kind, FrameType::Challenge);
        (raw, decode::<Challenge>(&payload).unwrap().step)
    };
    let (mut other, _) = challenged();
    other.query(1, "Artist");
    assert_eq!(other.last_words().code, ErrorCode::ProtocolViolation);
    let (mut garbage, _) = challenged();
    garbage.send(FrameHeader { length: 3, crc: 7, ..header(FrameType::Proof, 0) }, b"abc");
    assert_eq!(garbage.last_words().code, ErrorCode::ProtocolViolation);
    let (mut wrong, challenge) = challenged();
    let nonce = challenge.split(',').next().unwrap();
    post(&mut wrong, 0, &Proof { step: format!("c=biws,{nonce},p={}=", "A".repeat(43)) });
    assert_eq!(wrong.last_words().code, ErrorCode::AuthenticationFailed);
    let (silent, _) = challenged();
    assert_eq!(silent.last_words().code, ErrorCode::ProtocolViolation);
    // A second hello, and a proof that nobody asked for.
    let mut again = Raw::greeted(&server);
    post(&mut again, 0, &hello(None));
    assert_eq!(again.last_words().code, ErrorCode::ProtocolViolation);
    let mut late = Raw::greeted(&server);
    post(&mut late, 0, &Proof { step: String::new() });
    assert_eq!(late.last_words().code, ErrorCode::ProtocolViolation);
    client.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_and_prepared_statements_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--idle-timeout", "0.6"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let rows: Vec<String> = (0..2000).map(|n| format!("{{ name: \"{n}\" || $name }}")).collect();
    let long = Params::none().with("name", "y".repeat(2_000));
    client.query(&format!("create Artist [{}]", rows.join(", ")), &long).await.unwrap();

    // A result that waits for credit is not lost, and more credit than there is room for ends the connection.
    let mut narrow = Raw::connect(&server);
    narrow.1 = 1000;
    narrow.hello(PROTOCOL_VERSION, PROTOCOL_VERSION);
    assert_eq!(narrow.receive().0.kind, FrameType::Welcome);
    narrow.query(1, "Artist { name }");
    assert_eq!(narrow.receive().0.kind, FrameType::Shape);
    let (chunk, _) = narrow.receive();
    assert_eq!((chunk.kind, chunk.is_last()), (FrameType::Chunk, false));
    narrow.send(header(FrameType::Ping, 2), &[]);
    assert_eq!(narrow.receive().0.kind, FrameType::Pong, "nothing of the result comes without credit");
    post(&mut narrow, 1, &Credit { bytes: chunk.length });
    let (next, _) = narrow.receive();
    assert!(matches!(next.kind, FrameType::Chunk | FrameType::Trailer), "{next:?}");
    // Credit for what is not in flight is passed over.
    post(&mut narrow, 99, &Credit { bytes: u32::MAX });
    narrow.send(header(FrameType::Ping, 3), &[]);
    loop {
        let (header, _) = narrow.receive();
        if header.kind == FrameType::Pong {
            break;
        }
    }
    narrow.query(4, "Artist { name }");
    post(&mut narrow, 4, &Credit { bytes: u32::MAX });
    assert_eq!(narrow.last_words().code, ErrorCode::ProtocolViolation);

    // Half open: its result waits for it, and it says nothing more.
    let mut gone = Raw::connect(&server);
    gone.1 = 1;
    gone.hello(PROTOCOL_VERSION, PROTOCOL_VERSION);
    gone.receive();
    gone.query(1, "Artist { name }");
    let ended = std::iter::from_fn(|| {
        let mut byte = [0; 4096];
        gone.0.read(&mut byte).ok().filter(|read| *read > 0)
    });
    assert!(ended.count() > 0, "what came is there, and then the end");

    // Prepared statements, by hand and in one go.
    let mut raw = Raw::greeted(&server);
    let text = |text: &str| StatementSource::Text(text.to_owned());
    post(&mut raw, 1, &Prepare { id: 7, statement: text("Artist limit 1 { id }") });
    post(&mut raw, 2, &ExecutePrepared { id: 7, params: Params::none() });
    post(&mut raw, 3, &Prepare { id: 7, statement: text("Album") });
    post(&mut raw, 4, &Prepare { id: 8, statement: text("Album where") });
    post(&mut raw, 5, &ClosePrepared { id: 7 });
    post(&mut raw, 6, &ExecutePrepared { id: 7, params: Params::none() });
    post(&mut raw, 0, &ClosePrepared { id: 7 });
    post(&mut raw, 8, &ExecutePrepared { id: 8, params: Params::none() });
    raw.send(FrameHeader::of(FrameType::Prepare, 9, [&b"no archive"[..]]).unwrap(), b"no archive");
    let mut ends = std::collections::BTreeMap::new();
    while ends.len() < 8 {
        let (header, payload) = raw.receive();
        if header.is_last() {
            let error = (header.kind == FrameType::Error).then(|| decode::<Error>(&payload).unwrap().code);
            ends.insert(header.request, error);
        }
    }
    let expected = [
        (1, None),
        (2, None),
        (3, Some(ErrorCode::DuplicateName)),
        (4, Some(ErrorCode::SyntaxError)),
        (5, None),
        (6, Some(ErrorCode::UnknownName)),
        (8, Some(ErrorCode::UnknownName)),
        (9, Some(ErrorCode::ProtocolViolation)),
    ];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
    client.ping().await.unwrap();
}
