// @ormdb/client: ormDB for Node, embedded or remote.
'use strict';

const { Changes } = require('./changes');
const { connect, connectSync, Database } = require('./database');
const { Decimal } = require('./decimal');
const { classes } = require('./errors');
const { createHydrator } = require('./hydrator');
const { typed } = require('./params');
const { DateTime, Interval, microsOf } = require('./temporal');
const { Transaction } = require('./transaction');

exports.connect = connect;
exports.connectSync = connectSync;
exports.Database = Database;
exports.Transaction = Transaction;
exports.Changes = Changes;
exports.typed = typed;
exports.Decimal = Decimal;
exports.DateTime = DateTime;
exports.Interval = Interval;
exports.microsOf = microsOf;
exports.createHydrator = createHydrator;
Object.assign(exports, classes);
