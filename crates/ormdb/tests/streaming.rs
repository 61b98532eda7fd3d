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
    for text in ["delete Note[7]", "explain Note { id }", "Note for update { id }"] {
        let statement = session.prepare(text).unwrap();
        let outcome = session.stream(&statement, &Params::none(), &mut |_| panic!("{text} streams"));
        assert!(matches!(outcome, Ok(Streamed::Whole(_)) | Err(_)), "{text}");
    }
}

/// What depends on the place of a row, or reads the past, leaves chunk by chunk too.
#[test]
fn cursors_and_the_past_stream() {
    let (_directory, database) = notes(3);
    let session = database.session();
    let token = session.fetch("Note { id }", &Params::none()).unwrap().trailer().token;
    let params = Params::none().with("t", token.to_string());
    for text in ["Note order by id after [0] { id }", "Note as of $t { id }"] {
        let statement = session.prepare(text).unwrap();
        let mut rows = 0;
        let mut see = |part| {
            if let StreamPart::Chunk(chunk) = part {
                rows += chunk.root_rows();
            }
            Ok(())
        };
        let outcome = session.stream(&statement, &params, &mut see).unwrap();
        assert!(matches!(outcome, Streamed::Parts(_)), "{text}");
        assert_eq!(rows, session.fetch(text, &params).unwrap().len(), "{text}");
        assert!(rows >= 2, "{text}: {rows}");
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

/// One note with marks of 1 KiB each, and another note.
fn one_note_of_many_marks(count: i64) -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: ordinum::Durability::Buffered, ..Options::default() };
    let database = Database::open_with(directory.path().join("db"), options).unwrap();
    let schema = "
        entity Note { id int64 @id
          marks Mark[]
          stars Star[] }
        entity Mark { id int64 @id
          text string
          rank int64
          noteId int64
          note Note @relation(noteId -> Note.id)
          stars Star[]
          @@index(noteId, rank desc) }
        entity Star { id int64 @id
          noteId int64
          note Note @relation(noteId -> Note.id)
          markId int64?
          mark Mark? @relation(markId -> Mark.id) }";
    database.apply_schema(schema).unwrap();
    let session = database.session();
    session.query("create Note [{ id: 1 }, { id: 2 }]", &Params::none()).unwrap();
    for from in (0..count).step_by(1000) {
        let row =
            |id: i64| format!("{{ id: {id}, noteId: 1, rank: {}, text: \"{}\" }}", id % 7, "x".repeat(1000));
        let rows: Vec<String> = (from..(from + 1000).min(count)).map(row).collect();
        session.query(&format!("create Mark [{}]", rows.join(", ")), &Params::none()).unwrap();
    }
    let rows: Vec<String> = (0..30).map(|id| format!("{{ id: {id}, noteId: 1, markId: {id} }}")).collect();
    session.query(&format!("create Star [{}]", rows.join(", ")), &Params::none()).unwrap();
    (directory, database)
}

/// The chunks of a fetch whose related rows may be divided, how large the largest is, and what they are together: a chunk goes on
/// with the row that it ends with.
fn divided(session: &ormdb::Session, text: &str) -> ormdb::Result<(usize, usize, GraphResult)> {
    let (mut shape, mut chunks, mut largest) = (None, Vec::new(), 0);
    session.stream_divided(&session.prepare(text)?, &Params::none(), &mut |part| {
        match part {
            StreamPart::Shape(first) => shape = Some(first),
            StreamPart::Chunk(chunk) => {
                largest = largest.max(chunk.byte_len());
                chunks.push(chunk);
            }
        }
        Ok(())
    })?;
    let (shape, count) = (shape.unwrap(), chunks.len());
    let (mut joined, mut open) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let goes_on = chunk.goes_on();
        open.push(chunk);
        if !goes_on {
            joined.push(ormdb_proto::result::join(&shape, &open)?);
            open.clear();
        }
    }
    assert!(open.is_empty(), "the last chunk goes on");
    Ok((count, largest, GraphResult::new(shape, joined, ormdb::Token::new(0, 0), 0)))
}

#[test]
fn the_many_related_rows_of_one_row_stream_within_the_memory_of_the_fetch() {
    let (_directory, database) = one_note_of_many_marks(30_000);
    let text = "Note { id, marks order by rank desc, id { id, text, stars { id } }, stars { id } }";
    let of = |text: &str| database.session().fetch(text, &Params::none()).unwrap().to_json().unwrap();
    let within = |limits: Limits| database.session().with_limits(limits);
    // 30 MiB of related rows, 4 MiB of memory.
    let little = within(Limits { memory_bytes_max: 4 << 20, ..Limits::default() });
    let refused = little.fetch(text, &Params::none());
    assert_eq!(refused.unwrap_err().code, ErrorCode::OverBudget);
    let (chunks, largest, joined) = divided(&little, text).unwrap();
    assert!(chunks > 20 && largest < 2 << 20, "{chunks} chunks of up to {largest} bytes");
    assert_eq!(joined.len(), 2);
    assert!(joined.to_json().unwrap() == of(text), "the parts are not the whole");
    // An order that no key has is made of all first, and divided then.
    let sorted = "Note { marks where rank < 3 order by text, id desc limit 5000 offset 10 { id }, id }";
    let (chunks, _, joined) =
        divided(&within(Limits { memory_bytes_max: 48 << 20, ..Limits::default() }), sorted).unwrap();
    assert!(chunks > 3 && joined.to_json().unwrap() == of(sorted), "{chunks} chunks");
    let refused = divided(&within(Limits { fan_out_max: 20_000, ..Limits::default() }), text);
    assert_eq!(refused.unwrap_err().detail.limit.unwrap().name, "fan_out_max");
}

/// All related rows of all parents were held at once for an aggregate that no index answers.
#[test]
fn aggregates_of_many_related_rows_hold_few_of_them() {
    const MARKS: i64 = 12_000;
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: ordinum::Durability::Buffered, ..Options::default() };
    let database = Database::open_with(directory.path().join("db"), options).unwrap();
    let schema = "
        entity Note { id int64 @id
          marks Mark[] }
        entity Mark {
          id      int64 @id
          noteId  int64
          points  int32
          share   float64
          text    string
          note    Note  @relation(noteId -> Note.id)
        }";
    database.apply_schema(schema).unwrap();
    let session = database.session();
    session.query("create Note [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]", &Params::none()).unwrap();
    let wide = "x".repeat(400);
    for first in (0..MARKS).step_by(500) {
        // The first note has most, the second none, the third and the fourth a few.
        let mark = |id: i64| {
            let note = if id % 100 == 0 { 3 + id / 100 % 2 } else { 1 };
            format!("{{ id: {id}, noteId: {note}, points: {}, share: 0.1, text: \"{wide}\" }}", id % 7)
        };
        let marks: Vec<String> = (first..first + 500).map(mark).collect();
        session.query(&format!("create Mark [{}]", marks.join(", ")), &Params::none()).unwrap();
    }
    let query = "Note order by id {
        id,
        few: count(marks where points < 3),
        sum: sum(marks.points),
        long: sum(marks: length(text) where points = 6),
        least: min(marks.text where id > 5000),
        different: count(distinct marks.points),
        share: avg(marks.share)
      }";
    let read = |bytes: u64| {
        let session = database.session().with_limits(Limits { memory_bytes_max: bytes, ..Limits::default() });
        session.fetch(query, &Params::none()).map(|result| result.to_json().unwrap())
    };
    let unbounded = read(1 << 30).unwrap();
    assert_eq!(read(2 << 20).unwrap(), unbounded);
    let expected = |note: i64| {
        let ids = (0..MARKS).filter(|id| note == if id % 100 == 0 { 3 + id / 100 % 2 } else { 1 });
        let points: Vec<i64> = ids.map(|id| id % 7).collect();
        let few = points.iter().filter(|points| **points < 3).count();
        let (sum, long) =
            (points.iter().sum::<i64>(), points.iter().filter(|points| **points == 6).count() * 400);
        format!("{{\"id\":{note},\"few\":{few},\"sum\":{sum},\"long\":{long},")
    };
    for note in [1, 3, 4] {
        assert!(unbounded.contains(&expected(note)), "{note}: {} in {unbounded}", expected(note));
    }
    let of_none =
        "{\"id\":2,\"few\":0,\"sum\":null,\"long\":null,\"least\":null,\"different\":0,\"share\":null}";
    assert!(unbounded.contains(of_none), "{unbounded}");
    // What is told apart has to be held.
    let all_ids = "Note { different: count(distinct marks.text), ids: count(distinct marks.id) }";
    let little = Limits { memory_bytes_max: 200 << 10, ..Limits::default() };
    let refused = database.session().with_limits(little).fetch(all_ids, &Params::none()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::OverBudget);
}
