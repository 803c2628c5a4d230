/** JSON schemas, made readable, and made into examples. */

/** Follows `$ref`, as deep as a reader wants to see. */
export function resolve(schema, root, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 6) return schema;
  if (Array.isArray(schema)) return schema.map((it) => resolve(it, root, depth + 1));
  if (schema.$ref) {
    const found = schema.$ref.slice(2).split("/").reduce((at, key) => at[key], root);
    return resolve(found, root, depth + 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(value, root, depth + 1)]));
}

/** Writes a schema as one writes JSON by hand: names and types. */
export function shape(schema, indent = "") {
  if (!schema || Object.keys(schema).length === 0) return "anything";
  if (schema.anyOf) return [...new Set(schema.anyOf.map((it) => shape(it, indent)))].join(" or ");
  if (schema.enum) return schema.enum.map((it) => JSON.stringify(it)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${shape(schema.items, indent)}, …]`;
  if (schema.type === "object" && schema.properties) {
    const inner = `${indent}  `;
    const lines = Object.entries(schema.properties).map(([name, it]) => {
      const optional = (schema.required ?? []).includes(name) ? "" : "?";
      return `${inner}${name}${optional}: ${shape(it, inner)}`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  const bounds = [
    schema.minLength !== undefined && `from ${schema.minLength} characters`,
    schema.maxLength !== undefined && `up to ${schema.maxLength} characters`,
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
    schema.description,
  ].filter(Boolean);
  return [schema.type ?? "anything", ...bounds].join(", ");
}

/** Makes a value to begin with: of an object what is required, each empty or at its default. */
export function example(schema) {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return example(schema.anyOf[0]);
  if (schema.type === "array") return [];
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 0;
  if (schema.type === "boolean") return false;
  if (schema.type !== "object") return "";
  return Object.fromEntries((schema.required ?? []).map((name) => [name, example(schema.properties[name])]));
}

/** Returns the first media type of a description's content, its schema as text, and an example of it. */
export function contentOf(content, root) {
  const [[type, described] = ["", {}]] = Object.entries(content ?? {});
  if (!described.schema) return { type, text: "", example: undefined };
  const schema = resolve(described.schema, root);
  return { type, text: shape(schema), example: described.example ?? example(schema) };
}
