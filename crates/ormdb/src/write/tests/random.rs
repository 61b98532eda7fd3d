//! Random writes over a schema of every action, audited as they go.

use ormdb_proto::schema::IndexState;

use super::bench::Bench;

const SCHEMA: &str = r#"
entity A {
  id     int64   @id
  code   int32   @unique
  upId   int64?
  up     A?      @relation("tree", upId -> A.id, onDelete: setNull, onUpdate: cascade)
  downs  A[]     @relation("tree")
  bs     B[]
  cs     C[]     @through(E)
  @@index(code desc) where code > 5
}
entity B {
  id    int64  @id
  aId   int64
  a     A      @relation(aId -> A.id, onDelete: cascade, onUpdate: cascade)
  n     int32  @default(0)
  cs    C[]
  @@unique(aId, n)
}
entity C {
  id    int64  @id
  code  int32?
  bId   int64?
  b     B?     @relation(bId -> B.id, onDelete: setNull, onUpdate: setNull)
  as    A[]    @through(E)
  @@unique(code, nulls not distinct) where bId is null
}
entity E {
  aId  int64
  cId  int64
  a    A  @relation(aId -> A.id, onDelete: noAction, onUpdate: cascade)
  c    C  @relation(cId -> C.id, onDelete: cascade, onUpdate: restrict)
  @@id(aId, cId)
}
"#;

#[test]
fn any_mix_of_writes_leaves_a_whole_database() {
    check(0xacc1_de47, IndexState::Public);
}

/// Indexes that reads may not use yet are maintained all the same, and references are followed by scans.
#[test]
fn any_mix_of_writes_maintains_indexes_in_the_making() {
    check(0xacc1_de48, IndexState::WriteOnly);
    check(0xacc1_de49, IndexState::Backfilling);
}

fn check(seed: u64, state: IndexState) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let bench = Bench::in_state(SCHEMA, state);
    let (mut done, mut refused) = (0, 0);
    for step in 0..1_000 {
        let (i, j, k) = (rng.u8(0..12), rng.u8(0..12), rng.u8(0..12));
        let text = match rng.u8(0..16) {
            0 => format!("create A {{ id: {i}, code: {j}, upId: {k} }}"),
            1 => format!(
                "create A {{ id: {i}, code: {j}, bs: create [{{ id: {k}, n: 1 }}, {{ id: {j}, n: 2 }}] }}"
            ),
            2 => format!("create B {{ id: {i}, a: connectOrCreate [{j}] {{ code: {k} }} }}"),
            3 => format!("create C {{ id: {i}, code: {j}, as: connect [{k}] }}"),
            4 => format!("create C [{{ id: {i}, bId: {j} }}, {{ id: {k} }}] skip duplicates"),
            5 => format!("update A[{i}] set {{ id: {j} }}"),
            6 => format!("update A where code > {i} set {{ code += 1 }}"),
            7 => format!("update B[{i}] set {{ a: connect [{j}], n: {k} }}"),
            8 => format!("update B where n < 3 set {{ id: id + {i} }}"),
            9 => format!("update C[{i}] set {{ b: connect [{j}], as: set [{k}] }}"),
            10 => format!("update A[{i}] set {{ cs: (connect [{j}], disconnect [{k}]) }}"),
            11 => format!("upsert C[{i}] create {{ code: {j} }} update {{ b: disconnect, code: {k} }}"),
            12 => format!("delete A[{i}]"),
            13 => format!("delete B where n = {i}"),
            14 => format!("delete C where code = {i} limit 1"),
            _ => {
                format!("update A[{i}] set {{ up: connect [{j}], downs: set [{k}], bs: delete where n > 1 }}")
            }
        };
        match bench.run(&text) {
            Ok(_) => done += 1,
            Err(_) => refused += 1,
        }
        if step % 10 == 0 {
            bench.audit();
        }
    }
    bench.audit();
    assert!(done > 100, "seed {seed}: {done} done, {refused} refused");
    assert!(refused > 100, "seed {seed}: {done} done, {refused} refused");
}
