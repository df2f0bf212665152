// SWI-Prolog. Arguments: the package's folder.
const path = require("node:path");
const folder = path.resolve(process.argv[2], "dist/swipl");
const SWIPL = require(path.join(folder, "swipl-web.js"));

exports.load = () => SWIPL({ arguments: ["-q"], print() {}, locateFile: (name) => path.join(folder, name) });
exports.prepare = ({ prolog }) => {
  prolog.call("use_module(library(lists)), use_module(library(apply)), use_module(library(aggregate))");
  prolog.call("assertz((prime(N) :- N > 1, \\+ (between(2, N, D), D * D =< N, N mod D =:= 0)))");
  prolog.call("forall(between(1, 30000, X), (Y is X * X, assertz(square(X, Y))))");
};
exports.first = ({ prolog }) =>
  prolog.query("square(777, Y), sum_list([Y, 1], S), findall(P, (between(2, 30, P), prime(P)), L)").once().S;
exports.answer = ({ prolog }) => {
  const once = (goal, name) => prolog.query(goal).once()[name];
  return [
    ...Array.from({ length: 15 }, (_, i) => once(`square(${i * 1000 + 777}, Y)`, "Y")),
    once("sum_list([1, 2, 40], S)", "S"),
    once("findall(P, (between(2, 30, P), prime(P)), L), atomic_list_concat(L, ' ', A)", "A"),
    once("use_module(library(assoc)), list_to_assoc([a-1, b-2], A), get_assoc(b, A, V)", "V"),
    once("use_module(library(yall)), maplist([X, Y]>>(Y is X * 2), [1, 2, 3], L), sum_list(L, S)", "S"),
    once("catch(atom_length(_, _), error(E, _), true), functor(E, N, _)", "N"),
  ];
};
