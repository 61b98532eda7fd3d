// Turns the chunks of results into objects: one hydrator for each shape, kept while it is used.
'use strict';

const { openChunk } = require('./chunk');
const { error } = require('./errors');
const { generate, mayGenerate } = require('./hydrate/generate');
const { walk } = require('./hydrate/walk');
const { parseShape } = require('./shape');

/** The hydrators that are kept of a connection, for each way of values, and of how many of those. */
const KEPT_MAX = 1024;
const KEPT_OPTIONS_MAX = 64;

const GENERATES = mayGenerate();

/** What a hydrator does with values, with what stands where nothing is said. */
function hydrationOptions({ int64 = 'number', json = 'value', construct } = {}) {
  if (int64 !== 'number' && int64 !== 'bigint') throw error('invalid_value', `int64 is 'number' or 'bigint', not ${String(int64)}`);
  if (json !== 'value' && json !== 'text') throw error('invalid_value', `json is 'value' or 'text', not ${String(json)}`);
  if (construct !== undefined && typeof construct !== 'function') throw error('invalid_value', '`construct` is a function');
  return { int64, json, construct };
}

/**
 * The function that turns a chunk of a shape into the objects of its roots.
 *
 * `construct` is asked once for each node, `{entity, path, columns, edges}`, and may give the class that its objects are made by:
 * `new Class()`, whose properties are then set in the order asked for. `path` has the names of the edges that lead to the node.
 * @param {string} text the shape, as the native module gives it
 */
function createHydrator(text, options = {}) {
  const { int64, json, construct } = hydrationOptions(options);
  const shape = parseShape(text);
  const classes = construct === undefined ? [] : classesOf(shape, construct);
  const make = options.codeGeneration === false || !GENERATES ? walk : generate;
  const hydrate = make(shape, { int64, json }, classes);
  return (bytes) => hydrate(openChunk(bytes, shape));
}

function classesOf(shape, construct) {
  const paths = [[]];
  return shape.nodes.map((node, at) => {
    for (const edge of node.edges) paths[edge.child] = [...paths[at], edge.alias];
    const Class = construct({
      entity: node.entity,
      path: paths[at],
      columns: node.columns.map((column) => column.name),
      edges: node.edges.map((edge) => edge.alias),
    });
    if (Class !== undefined && typeof Class !== 'function') {
      throw error('invalid_value', `\`construct\` gave something for \`${node.entity}\` that is no class`);
    }
    return Class;
  });
}

/** The hydrators of a connection, by what they do with values, and by the texts of shapes. */
class Hydrators {
  #kept = new Map();
  #numbers = new WeakMap();
  #last = 0;

  /** The function that gives the hydrator of a shape's text. */
  of(options) {
    const key = `${options.int64}/${options.json}/${this.#numberOf(options.construct)}`;
    let byShape = this.#kept.get(key);
    if (byShape === undefined) {
      byShape = new Map();
      keep(this.#kept, key, byShape, KEPT_OPTIONS_MAX);
    }
    return (text) => {
      let hydrator = byShape.get(text);
      if (hydrator === undefined) {
        hydrator = createHydrator(text, options);
        keep(byShape, text, hydrator, KEPT_MAX);
      }
      return hydrator;
    };
  }

  #numberOf(construct) {
    if (construct === undefined) return 0;
    let number = this.#numbers.get(construct);
    if (number === undefined) this.#numbers.set(construct, (number = ++this.#last));
    return number;
  }
}

/** Keeps a value; where there are too many, the oldest goes: a map keeps the order in which keys came. */
function keep(map, key, value, most) {
  if (map.size >= most) map.delete(map.keys().next().value);
  map.set(key, value);
}

module.exports = { createHydrator, hydrationOptions, Hydrators };
