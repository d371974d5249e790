/**
 * SQL as values. `sql` is the only way to build a statement outside this room: every `${}` becomes a bound
 * parameter, or is itself a statement and is spliced in. Text is never concatenated (OPS-6).
 */
export interface Sql {
  readonly text: string;
  readonly values: readonly unknown[];
}

class Fragment implements Sql {
  readonly strings: readonly string[];
  readonly parts: readonly unknown[];
  #built: { text: string; values: unknown[] } | null = null;

  constructor(strings: readonly string[], parts: readonly unknown[]) {
    this.strings = strings;
    this.parts = parts;
  }

  get text(): string {
    return this.#build().text;
  }

  get values(): readonly unknown[] {
    return this.#build().values;
  }

  #build() {
    if (this.#built === null) {
      const values: unknown[] = [];
      this.#built = { text: append(this, values), values };
    }
    return this.#built;
  }
}

function append(fragment: Fragment, values: unknown[]): string {
  let text = fragment.strings[0]!;
  fragment.parts.forEach((part, i) => {
    if (part instanceof Fragment) text += append(part, values);
    else {
      values.push(part);
      text += `$${values.length}`;
    }
    text += fragment.strings[i + 1]!;
  });
  return text;
}

export function sql(strings: TemplateStringsArray, ...parts: unknown[]): Sql {
  return new Fragment(strings, parts);
}
