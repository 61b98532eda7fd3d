//! The schemas of a run: the same fields, and other indexes.

/// Lists and registers for the history, and a graph with all that hangs together.
const ENTITIES: &str = "
entity List {
  id     int64    @id
  items  int64[]
}
entity Register {
  id     int64  @id
  value  int64
  @@index(value)
}
entity Person {
  id       int64      @id @default(autoincrement())
  email    string     @unique
  age      int32
  bossId   int64?
  boss     Person?    @relation(\"boss\", bossId -> Person.id, onDelete: setNull)
  reports  Person[]   @relation(\"boss\")
  posts    Post[]
  liked    Post[]     @through(Like)
  INDEX1
}
entity Post {
  id        int64      @id @default(autoincrement())
  authorId  int64
  slug      int64?
  rank      int32
  author    Person     @relation(authorId -> Person.id, onDelete: cascade)
  comments  Comment[]
  likedBy   Person[]   @through(Like)
  @@unique(authorId, slug)
  @@index(authorId, rank desc) covering (slug)
  INDEX2
}
entity Comment {
  id      int64   @id @default(autoincrement())
  postId  int64
  text    string
  post    Post    @relation(postId -> Post.id, onDelete: restrict)
  INDEX3
}
entity Like {
  personId  int64
  postId    int64
  weight    int32   @default(1)
  person    Person  @relation(personId -> Person.id, onDelete: cascade)
  post      Post    @relation(postId -> Post.id, onDelete: cascade)
  @@id(personId, postId)
}
";

/// What may stand in the places of `INDEX1` to `INDEX3`.
const INDEXES: [[&str; 3]; 3] = [
    ["", "@@index(age desc)", "@@index(age) covering (email)"],
    ["", "@@index(rank) where rank > 5", "@@index(slug, rank)"],
    ["", "@@index(text)", "@@unique(postId, text)"],
];

/// One of the schemas.
pub(super) fn text(number: usize) -> String {
    let mut text = ENTITIES.to_owned();
    let mut rest = number;
    for (at, choices) in INDEXES.iter().enumerate() {
        let index = choices.get(rest % choices.len()).copied().unwrap_or_default();
        rest /= choices.len();
        text = text.replace(&format!("INDEX{}", at + 1), index);
    }
    text
}

/// How many there are.
pub(super) const SCHEMAS: usize = 27;
