// Compiled, not run: the types for `require`.
import client = require('@ormdb/client');

async function use(): Promise<string> {
  const db: client.Database = await client.connect('x');
  const [row] = await db.fetch('User');
  return row?.['name'] as string;
}
void use;
