// The types of @ormdb/client. Those of a schema's rows are written by `ormdb generate ts`.

/// <reference types="node" />

/** A JSON document. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/** What a parameter may be. `undefined` is refused: null is the absent value. */
export type ParamValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Decimal
  | Interval
  | Uint8Array
  | ArrayBuffer
  | Typed
  | readonly ParamValue[]
  | { readonly [name: string]: JsonValue | bigint };

/** Parameters by their names, with or without the `$`. */
export type Params = { readonly [name: string]: ParamValue };

/** The types of the schema language. */
export type TypeName =
  | 'bool'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'decimal'
  | 'string'
  | 'bytes'
  | 'uuid'
  | 'datetime'
  | 'local_datetime'
  | 'date'
  | 'time'
  | 'interval'
  | 'json'
  | 'enum';

/** A parameter of a type that is said, not inferred. */
export interface Typed {
  readonly type: TypeName | 'array';
  readonly value: unknown;
}

/** A parameter of exactly this type; its value is what that type has in results, or the text of it: of json, the document. */
export function typed(type: TypeName | 'array', value: unknown): Typed;

/** A row of no type that is known. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyRow = { [name: string]: any };

/** A node of a result, as `construct` is asked about it. */
export interface ResultNode {
  readonly entity: string;
  /** The names of the edges that lead to it from the root. */
  readonly path: readonly string[];
  readonly columns: readonly string[];
  readonly edges: readonly string[];
}

/** How values become JavaScript's. */
export interface ValueOptions {
  /** `number`, and an error (`numeric_overflow`) for those that it does not hold exactly; or `bigint`. */
  int64?: 'number' | 'bigint';
  /** Documents parsed, or as their text. */
  json?: 'value' | 'text';
  /** The class that the rows of a node are made by, `new Class()`, whose properties are then set; plain objects without it. */
  construct?: (node: ResultNode) => (new () => object) | undefined;
}

export interface CallOptions extends ValueOptions {
  /** Cancels the statement: the promise is rejected with a `CancelledError`, whose cause is the signal's reason. */
  signal?: AbortSignal;
}

export interface ConnectOptions extends CallOptions {
  /** Whether a database is made where none is; true where it is left out. */
  create?: boolean;
  /** How long a version of a database of this process can be read (`as of`) after it was overwritten, 0 for none. The database keeps
   * it: where it is left out, versions are kept as was said before, and none in a new database. A server has `--retention-age`. */
  retentionAgeMs?: number;
  /** Versions are given up before their age when more than this was written to the log since they were overwritten. */
  retentionBytes?: number;
  /** How long connecting to a server may take; 10 s where it is left out. */
  connectTimeoutMs?: number;
}

export type Isolation = 'read_committed' | 'snapshot' | 'serializable';

export interface BeginOptions {
  /** `serializable` where it is left out. */
  isolation?: Isolation;
  readOnly?: boolean;
  signal?: AbortSignal;
}

export interface TransactionOptions extends BeginOptions {
  /** How often a transaction is run again that conflicts with others; 32 times where it is left out. */
  retriesMax?: number;
}

/** A column of a result. */
export interface OutcomeColumn {
  readonly name: string;
  readonly type: TypeName;
  readonly list: boolean;
}

/** A node of a result: what its rows are made of. */
export interface OutcomeNode {
  readonly entity: string;
  readonly columns: readonly OutcomeColumn[];
  readonly edges: readonly { readonly name: string; readonly node: number; readonly many: boolean }[];
}

export interface Rows<Row> {
  readonly kind: 'rows';
  readonly rows: Row[];
  /** The version that was read. */
  readonly token: string;
  readonly nodes: readonly OutcomeNode[];
}

export interface Written<Row> {
  readonly kind: 'written';
  /** The rows of a `return`. */
  readonly rows: Row[] | undefined;
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  /** The version that has the write. */
  readonly token: string;
  readonly nodes: readonly OutcomeNode[] | undefined;
}

export interface Plan {
  readonly kind: 'plan';
  readonly text: string;
  readonly plan: JsonValue;
}

export interface Done {
  readonly kind: 'done';
  readonly token: string | undefined;
}

export type Outcome<Row = AnyRow> = Rows<Row> | Written<Row> | Plan | Done;

/** What a statement takes and gives. */
export interface Description {
  /** The parameters. The type is as a schema writes it, `decimal(12,2)` or `Role[]`; null where the place takes several types. */
  readonly params: readonly { readonly name: string; readonly type: string | null }[];
  /** The nodes of the rows; null where there are none, or a parameter decides. */
  readonly nodes: readonly OutcomeNode[] | null;
  /** The same for `createHydrator`. */
  readonly shape: string | null;
}

/** What was committed since the last notice. */
export interface Changed {
  /** The newest of these commits; all up to it have been told. */
  readonly token: string;
  /** The entities of which rows were written. */
  readonly entities: readonly string[];
  /** The version of the schema, if it changed. */
  readonly schema?: number;
  /** Whether it is not known what was written. */
  readonly everything: boolean;
}

/** A subscription. It ends with its connection, by an `UnavailableError`: who subscribes again takes everything for changed. */
export class Changes implements AsyncIterableIterator<Changed>, AsyncDisposable {
  private constructor();
  /** The version from which on commits are told. */
  readonly since: string;
  /** The next notice, once there is one. What is not taken is joined to it. */
  next(): Promise<IteratorResult<Changed, undefined>>;
  /** Ends it. */
  return(): Promise<IteratorResult<Changed, undefined>>;
  [Symbol.asyncIterator](): this;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The entities of a schema, as `ormdb generate ts` writes them. */
export type EntityTypes = { [name: string]: { row: unknown; create: object; update: object; key: object } };
type AnyEntities = { [name: string]: { row: AnyRow; create: Params; update: Params; key: Params } };

/** What can be asked of a database, and in a transaction. */
export interface Statements<Entities> {
  /** Runs any statement, and tells all of its outcome. */
  query<Row = AnyRow>(text: string, params?: Params | null, options?: CallOptions): Promise<Outcome<Row>>;
  /** The rows of a fetch, or those that a write returns. A row that several parents reach is one object. */
  fetch<Row = AnyRow>(text: string, params?: Params | null, options?: CallOptions): Promise<Row[]>;
  /** The first row, or null where there is none. */
  fetchOne<Row = AnyRow>(text: string, params?: Params | null, options?: CallOptions): Promise<Row | null>;
  /** Creates a row, and gives it with what the database filled in. */
  create<Name extends keyof Entities & string>(
    entity: Name,
    values: Entities[Name] extends { create: infer Create } ? Create : never,
    options?: CallOptions,
  ): Promise<Entities[Name] extends { row: infer Row } ? Row : never>;
  /** Changes the row of a key, and gives it as it is then. One that is not there is an error (`record_not_found`). */
  update<Name extends keyof Entities & string>(
    entity: Name,
    key: Entities[Name] extends { key: infer Key } ? Key : never,
    changes: Entities[Name] extends { update: infer Update } ? Update : never,
    options?: CallOptions,
  ): Promise<Entities[Name] extends { row: infer Row } ? Row : never>;
}

/** A database: of this process, or behind a server. */
export class Database<Entities = AnyEntities> implements AsyncDisposable {
  private constructor();
  /** Whether the database is in this process. */
  readonly isEmbedded: boolean;
  /** As `query`, at once. What waits for others, for a disk or for a network stops this process. */
  querySync<Row = AnyRow>(text: string, params?: Params | null, options?: ValueOptions): Outcome<Row>;
  /** As `fetch`, at once: for short reads of a database of this process. */
  fetchSync<Row = AnyRow>(text: string, params?: Params | null, options?: ValueOptions): Row[];
  /** As `fetchOne`, at once. */
  fetchOneSync<Row = AnyRow>(text: string, params?: Params | null, options?: ValueOptions): Row | null;
  /** The rows of a statement, part by part: `for await (const row of db.stream(…))`. A loop that is left ends the statement. One
   * that gives no rows is refused, and not executed. */
  stream<Row = AnyRow>(text: string, params?: Params | null, options?: CallOptions): AsyncGenerator<Row, void, void>;
  /** What a statement takes and gives, in the schema as it is, without running it. */
  describe(text: string): Promise<Description>;
  /** Is told of commits from now on that write rows of these entities, or of any where none is named. What is told is made for
   * caches: whatever was read before of the entities of a notice may be stale. */
  subscribe(entities?: readonly (keyof Entities & string)[], options?: { signal?: AbortSignal }): Promise<Changes>;
  /** Begins a transaction, which the caller ends. */
  begin(options?: BeginOptions): Promise<Transaction<Entities>>;
  /** Runs `body` in a transaction and commits it; runs it again while it conflicts with others. */
  transaction<T>(body: (transaction: Transaction<Entities>) => T | Promise<T>, options?: TransactionOptions): Promise<T>;
  /** The text of the schema. */
  schema(): Promise<string>;
  /** Applies a schema. The error of one that is refused has `errors`, all that is wrong with it. */
  applySchema(text: string): Promise<{ version: number; changes: string[] }>;
  /** Takes no further statements, and rolls back the transactions that are open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
export interface Database<Entities = AnyEntities> extends Statements<Entities> {}

/** A transaction with read-your-writes. Its statements run one after the other. */
export class Transaction<Entities = AnyEntities> implements AsyncDisposable {
  private constructor();
  /** Runs `body` behind a savepoint: what it wrote is taken back where it fails, and the transaction goes on. */
  savepoint<T>(body: (transaction: Transaction<Entities>) => T | Promise<T>): Promise<T>;
  /** Sets a savepoint of a name. */
  setSavepoint(name: string): Promise<void>;
  /** Takes back what was written since the savepoint, which stays. */
  rollbackTo(name: string): Promise<void>;
  /** Forgets the savepoint and those after it; what was written stays. */
  release(name: string): Promise<void>;
  /** Commits: what was written is durable. Gives the version token, where something was. */
  commit(): Promise<string | undefined>;
  /** Rolls back. One that has ended is left as it is. */
  rollback(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
export interface Transaction<Entities = AnyEntities> extends Statements<Entities> {}

/** Opens a directory, `ormdb://host:port`, `ormdb+unix:///path`, or a Unix socket. */
export function connect<Entities = AnyEntities>(target: string, options?: ConnectOptions): Promise<Database<Entities>>;
/** As `connect`, at once: for a database of this process. */
export function connectSync<Entities = AnyEntities>(
  target: string,
  options?: Omit<ConnectOptions, 'signal'>,
): Database<Entities>;

/** An exact decimal number. The scale is kept: `1.50` stays `1.50`, and equals `1.5`. */
export class Decimal {
  /** The digits without the point. */
  readonly coefficient: bigint;
  /** How many of them stand behind it. */
  readonly scale: number;
  constructor(coefficient: bigint, scale?: number);
  /** The number of a text, a bigint, or a number as it prints. */
  static from(value: Decimal | string | number | bigint): Decimal;
  toString(): string;
  /** The exact number as text: JSON numbers would lose digits in most readers. */
  toJSON(): string;
  /** The nearest number. */
  toNumber(): number;
  compare(other: Decimal | string | number | bigint): -1 | 0 | 1;
  equals(other: Decimal | string | number | bigint): boolean;
}

/** A Date that knows the microseconds behind its milliseconds. Instants of whole milliseconds are plain Dates. */
export class DateTime extends Date {
  /** The microseconds behind the millisecond, 0 to 999. */
  readonly microseconds: number;
  constructor(millis: number, microseconds?: number);
  /** The instant of a number of microseconds since 1970-01-01T00:00:00Z. */
  static fromMicros(micros: bigint | number): DateTime;
}

/** Microseconds since 1970-01-01T00:00:00Z of any Date, exactly. */
export function microsOf(date: Date): bigint;

/** A span of months, days and microseconds, which do not convert into each other. */
export class Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
  constructor(months?: number, days?: number, micros?: bigint | number);
  /** ISO 8601. */
  toString(): string;
  toJSON(): string;
}

/** For adapters: the function that turns a chunk of a result into the objects of its roots. `codeGeneration: false` makes one
 * that needs no `new Function`; it is chosen by itself where that is not allowed. */
export function createHydrator<Row = AnyRow>(
  shape: string,
  options?: ValueOptions & { codeGeneration?: boolean },
): (chunk: Uint8Array | ArrayBuffer) => Row[];

/** What to do about an error. */
export type ErrorKind = 'retry' | 'fix_the_request' | 'denied' | 'over_budget' | 'unavailable' | 'corrupt' | 'bug';

/** What a program can read of an error. */
export interface ErrorDetail {
  entity?: string;
  field?: string;
  constraint?: string;
  key?: string;
  suggestion?: string;
  /** Where in the text: bytes, and the line and column of the start from 1. */
  span?: { start: number; end: number; line: number; column: number };
  hint?: string;
  limit?: { name: string; allowed: number; asked: number };
  file?: string;
  /** Of a lost connection: whether the statement may have been executed all the same. */
  maybeExecuted?: boolean;
}

/** An error of the database, of the connection, or of the use of this package. */
export class OrmdbError extends Error {
  /** The stable name of what went wrong. */
  readonly code: string;
  readonly sqlstate: string;
  readonly kind: ErrorKind;
  readonly detail: ErrorDetail;
  /** Of a schema that is refused: all that is wrong with it. */
  readonly errors?: OrmdbError[];
  constructor(
    message: string,
    about: { code: string; sqlstate: string; kind: ErrorKind; detail?: ErrorDetail },
    options?: { cause?: unknown },
  );
  /** The message, the place in the text with a caret, the suggestion and the hint. */
  render(text?: string): string;
}
/** Run it again: it met others, or was cancelled. */
export class RetryError extends OrmdbError {}
/** The request itself is wrong. */
export class RequestError extends OrmdbError {}
/** The session may not do this. */
export class DeniedError extends OrmdbError {}
/** A limit or budget was met. */
export class OverBudgetError extends OrmdbError {}
/** Try later, or look at the server. */
export class UnavailableError extends OrmdbError {}
/** Data are damaged. */
export class CorruptError extends OrmdbError {}
/** A bug of ormDB. */
export class BugError extends OrmdbError {}
export class SerializationConflictError extends RetryError {}
export class DeadlockError extends RetryError {}
export class LockNotAvailableError extends RetryError {}
export class CancelledError extends RetryError {}
export class AuthenticationFailedError extends DeniedError {}
export class ConstraintError extends RequestError {}
export class UniqueViolationError extends ConstraintError {}
export class ForeignKeyViolationError extends ConstraintError {}
export class NotNullViolationError extends ConstraintError {}
export class CheckViolationError extends ConstraintError {}
export class NotFoundError extends RequestError {}
export class ProtocolError extends RequestError {}
export class ConnectionFailedError extends UnavailableError {}
