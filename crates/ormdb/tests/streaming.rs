//! Results that are handed on part by part.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test data")]

use ormdb::{Database, Error, ErrorCode, Limits, Options, Params, StreamPart, Streamed};
use ormdb_proto::GraphResult;

const SCHEMA: &str = "
entity Note {
  id     int64 @id
  text   string
  marks  Mark[]
}
entity Mark {
  id      int64 @id
  noteId  int64
  note    Note  @relation(noteId -> Note.id)
}";

/// Notes of 64 KiB each.
fn notes(count: i64) -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: ordinum::Durability::Buffered, ..Options::default() };
    let database = Database::open_with(directory.path().join("db"), options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    let create = session.prepare("create Note { id: $id, text: $text, marks: create { id: $id } }").unwrap();
    for id in 0..count {
        let params = Params::none().with("id", id).with("text", "x".repeat(64 << 10));
        session.run_prepared(&create, &params).unwrap();
    }
    (directory, database)
}

#[test]
fn a_result_larger_than_the_memory_of_its_fetch_streams_within_it() {
    let (_directory, database) = notes(1500);
    let limits = Limits { memory_bytes_max: 8 << 20, ..Limits::default() };
    let session = database.session().with_limits(limits);
    let all = session.prepare("Note { id, text, marks { id } }").unwrap();
    // As a whole it does not fit.
    let whole = session.run_prepared(&all, &Params::none()).unwrap_err();
    assert_eq!(whole.code, ErrorCode::OverBudget);
    let (mut shape, mut rows, mut bytes, mut chunks) = (None, 0, 0, 0);
    let streamed = session.stream(&all, &Params::none(), &mut |part| {
        match part {
            StreamPart::Shape(first) => assert!(shape.replace(first).is_none()),
            StreamPart::Chunk(chunk) => {
                rows += chunk.root_rows();
                bytes += chunk.byte_len();
                chunks += 1;
                let one = GraphResult::new(shape.clone().unwrap(), vec![chunk], ormdb::Token::new(0, 0), 0);
                for row in one.roots()? {
                    assert_eq!(row.value("text")?.to_text().len(), 64 << 10);
                }
            }
        }
        Ok(())
    });
    let Streamed::Parts(trailer) = streamed.unwrap() else { panic!("it came as a whole") };
    assert_eq!((rows, trailer.rows), (1500, 3000));
    assert!(bytes > 90 << 20 && chunks > 50, "{bytes} bytes in {chunks} chunks");
    assert_eq!(trailer.bytes, u64::try_from(bytes).unwrap());
}

#[test]
fn the_first_chunk_leaves_before_the_second_is_read() {
    let (_directory, database) = notes(100);
    let session = database.session();
    let all = session.prepare("Note { id, text }").unwrap();
    let mut seen = 0;
    let stopped = session.stream(&all, &Params::none(), &mut |part| match part {
        StreamPart::Shape(_) => Ok(()),
        StreamPart::Chunk(chunk) => {
            seen += chunk.root_rows();
            Err(Error::new(ErrorCode::Cancelled, "that is enough"))
        }
    });
    assert_eq!(stopped.unwrap_err().message, "that is enough");
    assert!(seen < 40, "{seen} rows of 64 KiB in the first chunk");
}

#[test]
fn what_does_not_stream_comes_as_a_whole() {
    let (_directory, database) = notes(1);
    let session = database.session();
    for text in ["delete Note[7]", "explain Note { id }", "Note order by id after [0] { id }"] {
        let statement = session.prepare(text).unwrap();
        let outcome = session.stream(&statement, &Params::none(), &mut |_| panic!("{text} streams"));
        assert!(matches!(outcome, Ok(Streamed::Whole(_)) | Err(_)), "{text}");
    }
}

/// Groups are counted as rows are, and leave chunk by chunk.
#[test]
fn groups_stream_within_their_limits() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: ordinum::Durability::Buffered, ..Options::default() };
    let database = Database::open_with(directory.path().join("db"), options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let rows: Vec<String> = (0..10_000).map(|id| format!("{{ id: {id}, text: \"{id}\" }}")).collect();
    database.session().query(&format!("create Note [{}]", rows.join(", ")), &Params::none()).unwrap();
    let text = "group Note by id order by id { id, n: count() }";
    let all = database.session().prepare(text).unwrap();
    let (mut chunks, mut rows) = (0, 0);
    let mut count = |part| {
        if let StreamPart::Chunk(chunk) = part {
            (chunks, rows) = (chunks + 1, rows + chunk.root_rows());
        }
        Ok(())
    };
    database.session().stream(&all, &Params::none(), &mut count).unwrap();
    assert_eq!((chunks, rows), (3, 10_000));
    let limits = Limits { result_bytes_max: 100_000, ..Limits::default() };
    let mut seen = 0;
    let session = database.session().with_limits(limits);
    let error = session.stream(&all, &Params::none(), &mut |part| {
        seen += usize::from(matches!(part, StreamPart::Chunk(_)));
        Ok(())
    });
    assert_eq!(error.unwrap_err().detail.limit.unwrap().name, "result_bytes_max");
    assert_eq!(seen, 1, "the first chunk left before the second was made");
    assert_eq!(session.fetch(text, &Params::none()).unwrap_err().code, ErrorCode::OverBudget);
}
