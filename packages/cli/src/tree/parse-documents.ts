import { parseAllDocuments } from 'yaml';

/** What a text says, document by document, or why it cannot be read. */
export type Parsed =
  | { readonly ok: true; readonly documents: readonly unknown[] }
  | { readonly ok: false; readonly message: string };

/**
 * Reads JSON, or YAML 1.2 of several documents. Names stay the text they are: a container's id of digits alone is no
 * number.
 */
export function parseDocuments(written: string): Parsed {
  const text = written.replace(/^\uFEFF/, '');
  try {
    return { ok: true, documents: [JSON.parse(text)] };
  } catch {
    return parseYaml(text);
  }
}

function parseYaml(text: string): Parsed {
  try {
    const documents = parseAllDocuments(text, { stringKeys: true });
    for (const { errors } of documents) {
      const [error] = errors;
      // What follows the first line draws the place.
      if (error !== undefined) return { ok: false, message: firstLine(error.message) };
    }
    // An empty document, as before the first `---`, says nothing.
    return { ok: true, documents: documents.map((document) => document.toJS()).filter((value) => value !== null) };
  } catch (error) {
    // Aliases by the million, or nesting deeper than the stack.
    return { ok: false, message: firstLine(error instanceof Error ? error.message : String(error)) };
  }
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/:$/, '')
    .replace('Maximum call stack size exceeded', 'nested too deeply');
}
