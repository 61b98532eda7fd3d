//! Frames of the wire and the messages in them, as both sides of a connection read them.

use ormdb::text::parse_statement;
use ormdb_proto::error::{Error, ErrorCode, Result};
use ormdb_proto::frame::{FrameHeader, FrameType};
use ormdb_proto::ir::Params;
use ormdb_proto::message::{self, encode};
use ormdb_proto::result::{ResultShape, ShapeColumn, ShapeNode};
use ormdb_proto::scram::{ChannelBinding, ClientLogin, ITERATIONS_MIN, NONCE_BYTES, ServerLogin, Verifier};
use ormdb_proto::{Access, Description, Parameter, Token, User, Value, block, fuzzing};

/// What the first byte of an input says about the others.
const FRAME: u8 = 0;
const SEALED_FRAME: u8 = 1;

pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if choice % 2 == SEALED_FRAME {
        fuzzing::reseal_frame(&mut bytes);
    }
    fuzzing::frame(&bytes);
}

/// A sound frame of each type that carries much, as it is and to be sealed.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let frames = seed_frames().expect("the seeds are frames");
    let tagged = |choice: u8, frame: &[u8]| [&[choice], frame].concat();
    frames.iter().flat_map(|frame| [tagged(FRAME, frame), tagged(SEALED_FRAME, frame)]).collect()
}

fn seed_frames() -> Result<Vec<Vec<u8>>> {
    let fetch = r#"Artist where name startsWith $p and albums some (year >= 2000) order by name desc limit 10
        { *, n: count(albums), recent: albums order by year limit 3 { title, secs: ms / 1000 } }"#;
    let write = r#"create Artist { name: "a", at: null, albums: create [{ title: "b", n: 1.5 }] } return { id, albums { id } }"#;
    let params = Params(vec![
        ("p".to_owned(), Value::String("B".to_owned())),
        ("ids".to_owned(), Value::Array(vec![Value::Int64(1), Value::Null])),
    ]);
    let token = Some(Token::new(7, 9));
    let mut frames = Vec::new();
    let mut frame = |kind: FrameType, payload: &[u8]| -> Result<()> {
        let header = FrameHeader::of(kind, 1, [payload])?.encode();
        frames.push([&header, payload].concat());
        Ok(())
    };
    let client = ClientLogin::new("ann", "one", [7; NONCE_BYTES], ChannelBinding::None)?;
    let login = ServerLogin::open(&client.first(), ChannelBinding::None)?;
    let verifier = Verifier { iterations: ITERATIONS_MIN, ..Verifier::of_nobody("ann", b"fuzz") };
    let hello = message::Hello {
        login: Some(client.first()),
        window_bytes: 1 << 16,
        version_min: 1,
        version_max: 1,
        client: "fuzz".to_owned(),
        frame_bytes_max: 1 << 20,
    };
    frame(FrameType::Hello, &encode(&hello)?)?;
    let challenge = login.challenge(verifier.clone(), [9; NONCE_BYTES]);
    frame(FrameType::Challenge, &encode(&message::Challenge { step: challenge.text().to_owned() })?)?;
    frame(FrameType::Proof, &encode(&message::Proof { step: client.answer(challenge.text())?.0 })?)?;
    let user = User { name: "ann".to_owned(), access: Access::ReadOnly };
    frame(FrameType::Users, &encode(&message::Users { users: vec![user.clone()] })?)?;
    frame(FrameType::AddUser, &encode(&message::AddUser { user, verifier })?)?;
    frame(FrameType::Credit, &encode(&message::Credit { bytes: 1 << 16 })?)?;
    let statement = message::StatementSource::Statement(Box::new(parse_statement(fetch)?.statement));
    frame(FrameType::Prepare, &encode(&message::Prepare { id: 3, statement })?)?;
    frame(FrameType::ExecutePrepared, &encode(&message::ExecutePrepared { id: 3, params: params.clone() })?)?;
    let shape = || ResultShape {
        nodes: vec![ShapeNode {
            entity: "Artist".to_owned(),
            columns: vec![ShapeColumn::new("id", block::ColumnType::Scalar(block::ColumnKind::Int64))],
            edges: Vec::new(),
        }],
    };
    let param = Parameter { name: "p".to_owned(), ty: Some("decimal(12,2)".to_owned()) };
    let described = Description { params: vec![param], shape: Some(shape()) };
    frame(FrameType::Prepared, &encode(&described)?)?;
    let entities = vec!["Artist".to_owned(), "Album".to_owned()];
    frame(FrameType::Subscribe, &encode(&message::Subscribe { entities: entities.clone() })?)?;
    let changed = message::Changed { token: Token::new(7, 9), entities, schema: Some(3), everything: false };
    frame(FrameType::Changed, &encode(&changed)?)?;
    frame(FrameType::Query, &encode(&message::Query { text: fetch.to_owned(), params: params.clone() })?)?;
    for text in [fetch, write] {
        let statement = parse_statement(text)?.statement;
        frame(FrameType::Execute, &encode(&message::Execute { statement, params: params.clone() })?)?;
    }
    frame(FrameType::Done, &encode(&message::Done { token })?)?;
    frame(
        FrameType::Error,
        &encode(&Error::new(ErrorCode::UnknownField, "again").entity("Artist").field("name"))?,
    )?;
    frame(FrameType::Shape, &encode(&shape())?)?;
    Ok(frames)
}

#[cfg(test)]
mod tests;
