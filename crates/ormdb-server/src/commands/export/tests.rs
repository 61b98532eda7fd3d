use super::*;

/// Counts lines; before the first, `meanwhile` runs.
struct Interrupted<F: FnMut()> {
    meanwhile: Option<F>,
    lines: usize,
}

impl<F: FnMut()> Write for Interrupted<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(mut meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_pages_are_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "entity A {\n  id int64 @id\n}\n";
    let database = ormdb::Database::open(dir.path()).unwrap();
    database.apply_schema(schema).unwrap();
    let session = database.session();
    let run = |text: &str| drop(session.query(text, &ormdb_proto::ir::Params::none()).unwrap());
    let rows: Vec<String> = (0..2500).map(|n| format!("{{ id: {n} }}")).collect();
    run(&format!("create A [{}]", rows.join(", ")));

    let mut target = Target::of(database.clone());
    let mut snapshot = target.snapshot().unwrap();
    let model = Model::parse(schema).unwrap();
    let mut out = Interrupted { meanwhile: Some(|| run("delete A where id >= 2400")), lines: 0 };
    let entity = model.entity("A").unwrap();
    let rows =
        export(&mut snapshot, &model, entity, DeletedRows::Hidden, FileFormat::Jsonl, &mut out).unwrap();
    assert_eq!((rows, out.lines), (2500, 2500));
}
