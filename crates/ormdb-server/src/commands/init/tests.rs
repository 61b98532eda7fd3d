use super::*;

fn infer(files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let tables: Vec<infer::Table> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            infer::table(&path).unwrap()
        })
        .collect();
    text::format_schema(&write::schema(&tables).unwrap()).unwrap()
}

#[test]
fn types_nulls_keys_and_relations_are_inferred() {
    let schema = infer(&[
        ("Artist.csv", "id,name\n1,A\n2,B\n"),
        (
            "Album.csv",
            "id,title,artistId,producer_id,year,price,rating,released,at,code,live,note\n\
             1,X,1,,1999,1.50,1e3,2020-01-01,2020-01-01T00:00:00Z,007,true,\n\
             2,Y,1,5,2000,12,2.5,2021-12-31,2021-01-01 10:00:00,010,false,\n",
        ),
    ]);
    assert_eq!(
        schema,
        "entity Artist {
  id      int64    @id @default(autoincrement())
  name    string
  albums  Album[]
}

entity Album {
  id           int64          @id @default(autoincrement())
  title        string
  artistId     int64
  artist       Artist         @relation(artistId -> Artist.id)
  producer_id  int64?
  year         int64
  price        decimal(10,2)
  rating       float64
  released     date
  at           datetime
  code         string
  live         bool
  note         string?
}
"
    );
}

#[test]
fn a_file_without_a_key_has_a_hidden_one() {
    let schema = infer(&[("edge list.csv", "a,b\n1,1\n1,2\n")]);
    assert_eq!(schema, "entity edge_list {\n  a  int64\n  b  int64\n}\n");
}

#[test]
fn rows_that_join_two_others_have_both_as_their_key() {
    let ends = [("Post.csv", "id\n1\n2\n"), ("Tag.csv", "id\n1\n2\n")];
    let edge = |rows: &str| {
        let rows = format!("post_id,tag_id\n{rows}");
        infer(&[ends[0], ends[1], ("PostTag.csv", &rows)])
    };
    assert!(edge("1,1\n1,2\n2,1\n").contains("@@id(post_id, tag_id)"));
    assert!(edge("1,1\n2,1\n").contains("@@id(post_id, tag_id)"));
    assert!(!edge("1,1\n1,1\n").contains("@@id"));
    assert!(!edge("1,1\n2,\n").contains("@@id"));
}

#[test]
fn a_key_may_be_called_after_one_row() {
    let schema = infer(&[
        ("Customers.csv", "CustomerId,Name\n5,A\n"),
        ("Orders.csv", "OrderId,CustomerId\n1,5\n2,5\n"),
    ]);
    assert!(schema.contains("  CustomerId  int64     @id @default(autoincrement())\n"), "{schema}");
    assert!(schema.contains("@relation(CustomerId -> Customers.CustomerId)"), "{schema}");
}
