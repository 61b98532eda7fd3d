// Makes what a caller gets of what the native module gives: rows of chunks, counts, plans.
'use strict';

const { hydrationOptions } = require('./hydrator');
const { parseShape, KINDS } = require('./shape');

/** What is common to the statements of a connection: its hydrators, and how it wants values. */
class Answers {
  constructor(hydrators, defaults) {
    this.hydrators = hydrators;
    this.defaults = new Making(this, defaults);
  }

  /** How one statement's answer is made. */
  making(values) {
    for (const name in values) if (values[name] !== undefined) return new Making(this, hydrationOptions({ ...this.defaults.options, ...values }));
    return this.defaults;
  }
}

class Making {
  constructor(answers, options) {
    this.options = options;
    /** What turns chunks of a shape into rows, by the text of the shape. */
    this.hydrator = answers.hydrators.of(options);
  }

  /** The outcome of a statement. */
  outcome(raw) {
    switch (raw.kind) {
      case 'rows':
        return new Rows(this.rows(raw), raw);
      case 'written':
        return new Written(raw.shape === undefined ? undefined : this.rows(raw), raw);
      case 'plan':
        return { kind: 'plan', text: raw.text, plan: JSON.parse(raw.json) };
      default:
        return { kind: 'done', token: raw.token };
    }
  }

  /** The rows of chunks. */
  rows({ shape, chunks }) {
    const hydrate = this.hydrator(shape);
    if (chunks.length === 1) return hydrate(chunks[0]);
    const rows = [];
    for (const chunk of chunks) for (const row of hydrate(chunk)) rows.push(row);
    return rows;
  }
}

/** An outcome that may have rows; what they look like is told where it is asked for. */
class Outcome {
  #shape;

  constructor(kind, rows, raw) {
    this.kind = kind;
    this.rows = rows;
    this.token = raw.token;
    this.#shape = raw.shape;
  }

  /** The nodes of the rows: their entities, columns with types, and edges. Undefined where there are no rows. */
  get nodes() {
    return this.#shape === undefined ? undefined : nodesOf(this.#shape);
  }
}

/** The nodes of a shape, as programs see them. */
function nodesOf(shape) {
  return parseShape(shape).nodes.map(({ entity, columns, edges }) => ({
    entity,
    columns: columns.map(({ name, kind, list }) => ({ name, type: KINDS[kind], list: list === true })),
    edges: edges.map(({ alias, child, many }) => ({ name: alias, node: child, many })),
  }));
}

class Rows extends Outcome {
  constructor(rows, raw) {
    super('rows', rows, raw);
  }
}

class Written extends Outcome {
  constructor(rows, raw) {
    super('written', rows, raw);
    this.created = Number(raw.created);
    this.updated = Number(raw.updated);
    this.deleted = Number(raw.deleted);
  }
}

module.exports = { Answers, nodesOf };
