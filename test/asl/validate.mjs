// Definitions as asl-validator sees them: standard input is a JSON object of definitions by name, standard output one of
// {valid, errors} by name. The packages are those of $SHOPLAKE_ASL (tools/setup service).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const validate = createRequire(join(process.env.SHOPLAKE_ASL, "package.json"))("asl-validator");
const answers = {};
for (const [name, definition] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  try {
    const { isValid, errorsText } = validate(definition);
    answers[name] = { valid: isValid, errors: errorsText("\n") };
  } catch (error) {
    answers[name] = { valid: false, errors: `it broke: ${error}` };
  }
}
process.stdout.write(JSON.stringify(answers));
