// Compiled, not run: what the types of the package and those of a schema allow, and what they refuse.
import { connect, connectSync, Decimal, OrmdbError, UniqueViolationError, typed } from '@ormdb/client';
import type { Outcome, Rows } from '@ormdb/client';
import type { Entities, Post, PostRelations, Role, User, UserCreate } from './blog.js';

const db = await connect<Entities>('blog.ormdb', { int64: 'number', connectTimeoutMs: 100, retentionAgeMs: 1000, retentionBytes: 1e9 });

const user: User = await db.create('User', { email: 'a@b.c', name: 'A' });
const id: number = user.id;
const role: Role = user.role;
const joined: Date = user.joinedAt;
await db.update('User', { email: 'a@b.c' }, { name: 'B', joinedAt: '2024-01-01T00:00:00Z' });
await db.update('Like', { userId: 1n, postId: 'x' }, { likedAt: new Date() });
const created: UserCreate = { id: 5n, email: 'x', name: 'y', role: 'admin' };

// @ts-expect-error: a name is missing
await db.create('User', { email: 'a@b.c' });
// @ts-expect-error: no such field
await db.create('User', { email: 'a@b.c', name: 'A', nmae: 'B' });
// @ts-expect-error: no such label
await db.create('User', { email: 'a@b.c', name: 'A', role: 'reader2' });
// @ts-expect-error: no such entity
await db.create('Usr', {});
// @ts-expect-error: no key
await db.update('User', { name: 'A' }, {});

type Found = Pick<Post, 'title' | 'publishedAt'> & Pick<PostRelations, 'author'>;
const rows: Found[] = await db.fetch<Found>('Post { title, publishedAt, author { * } }');
const published: Date | null | undefined = rows[0]?.publishedAt;
const name: string | undefined = rows[0]?.author.name;
for await (const row of db.stream<Found>('Post { title }', { a: [1, 2n, null], b: { c: [true] } })) {
  const title: string = row.title;
  void title;
}
const outcome: Outcome = await db.query('User', null, { signal: AbortSignal.timeout(5) });
if (outcome.kind === 'written') {
  const created: number = outcome.created;
  void created;
} else if (outcome.kind === 'rows') {
  const read: Rows<unknown> = outcome;
  void read.nodes[0]?.columns[0]?.type;
}
const total: number = await db.transaction(
  async (tx) => {
    await tx.savepoint(() => tx.create('Tag', { name: 'x' }));
    return 1;
  },
  { isolation: 'snapshot', retriesMax: 3 },
);
// @ts-expect-error: no such isolation
await db.transaction(async () => {}, { isolation: 'serialisable' });
// @ts-expect-error: a function is no parameter
await db.fetch('User', { f: () => 1 });

try {
  connectSync('x').fetchSync('User', { a: Decimal.from('1.5'), b: typed('int16', 1) });
} catch (error) {
  if (error instanceof UniqueViolationError) {
    const constraint: string | undefined = error.detail.constraint;
    void constraint;
  } else if (error instanceof OrmdbError && error.kind === 'retry') {
    void error.sqlstate;
  }
}
void [id, role, joined, created, published, name, total];
