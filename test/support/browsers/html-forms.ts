/** The forms of an HTML page, as far as the tests need them: fields by attribute, no scripts. */

export interface Form {
  /** As written, entities decoded; empty for the page's own address. */
  readonly action: string;
  readonly method: 'GET' | 'POST';
  /**
   * Names and values of its fields, without buttons and unchecked boxes: the caller says which of those are pressed.
   */
  readonly fields: Readonly<Record<string, string>>;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Reads the forms of a page, in order. */
export function formsOf(html: string): readonly Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, start = '', content = '']) => {
    const form = attributesOf(start);
    return {
      action: form['action'] ?? '',
      method: form['method']?.toLowerCase() === 'post' ? 'POST' : 'GET',
      fields: Object.fromEntries([...content.matchAll(/<input\b([^>]*)>/gi)].flatMap(([, input = '']) => field(input))),
    };
  });
}

/** Decodes character references. */
function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex as string, 16));
    return ENTITIES[name as string] ?? whole;
  });
}

function field(input: string): readonly (readonly [string, string])[] {
  const { name, value, type = 'text', checked } = attributesOf(input);
  if (name === undefined || type === 'submit' || (type === 'checkbox' && checked === undefined)) return [];
  return [[name, value ?? (type === 'checkbox' ? 'on' : '')]];
}

function attributesOf(text: string): Readonly<Record<string, string>> {
  const found = text.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g);
  return Object.fromEntries(
    [...found].map(([, name = '', double, single, bare]) => [
      name.toLowerCase(),
      decodeEntities(double ?? single ?? bare ?? ''),
    ]),
  );
}
