// SQLite (sql.js). Arguments: the package's folder, a file for what JavaScript must know of the prepared program.
// The main database is a file of the glue's file system; one that is attached as ":memory:" is in the program's memory.
const fs = require("node:fs");
const path = require("node:path");
const start = require(path.resolve(process.argv[2], "dist/sql-wasm.js"));

exports.load = async () => ({ SQL: await start() });
exports.prepare = (program) => {
  const db = (program.db = new program.SQL.Database());
  db.run("attach ':memory:' as m");
  db.run("create table m.t(id integer primary key, name text, v real); create index m.i on t(name)");
  db.run("begin");
  const statement = db.prepare("insert into t values(?, ?, ?)");
  for (let i = 0; i < 20000; i++) statement.run([i, `name ${(i * 7919) % 20000}`, i / 3]);
  statement.free();
  db.run("commit");
  // The object's fields, whatever the closure compiler calls them: numbers and texts as they are, collections empty.
  fs.writeFileSync(process.argv[3], JSON.stringify(db));
};
exports.resume = (program) => {
  program.db = Object.assign(Object.create(program.SQL.Database.prototype), JSON.parse(fs.readFileSync(process.argv[3])));
};
exports.first = ({ db }) =>
  db.exec("select count(*), sum(v) from t; select * from t where name = 'name 77'; insert into t values(99999, 'new', 1)");
exports.answer = ({ db }) => [
  ...Array.from({ length: 17 }, (_, i) => db.exec(`select id, v from t where name = 'name ${i * 1000 + 7}'`)[0].values),
  db.exec("insert into t values(99999, 'new', 1); select count(*), sum(id) from t")[0].values,
  db.exec("select name from t order by v desc limit 3")[0].values,
  (() => {
    try {
      db.exec("select * from nothing");
    } catch (problem) {
      return problem.message;
    }
  })(),
];
