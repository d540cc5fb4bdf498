/** The section `pages`: what the gateway's own pages look like, and in which languages they are. */

import { z } from 'zod';
import { filePath, type SchemaContext } from '../config/fields.ts';
import type { FileReader } from '../config/files/named-files.ts';
import type { NonEmpty } from '../lib/non-empty.ts';
import { MAX_LOGO_BYTES, readLogo } from './logo.ts';
import { LANGUAGES, type Language } from './words/languages.ts';
import type { Words } from './words/words.ts';

const TAGS = Object.keys(LANGUAGES) as readonly Language[];

/** Text that the configuration gives for every language, or for some. */
export type ConfiguredText = string | { readonly [L in Language]?: string | undefined };

/** A key for text that people read: one for all languages, or one for each. */
export const text = (maxLength: number) => {
  const one = () => z.string().min(1).max(maxLength);
  return z.union([
    one(),
    z.strictObject(
      Object.fromEntries(
        TAGS.map((tag) => [
          tag,
          one()
            .optional()
            .meta({ description: `Language \`${tag}\`.` }),
        ]),
      ),
    ),
  ]);
};

/** What a configuration says in a language; `null` where it says nothing in it. */
export function textFor(configured: ConfiguredText | undefined, { tag }: Words): string | null {
  if (configured === undefined || typeof configured === 'string') return configured ?? null;
  return configured[tag as Language] ?? null;
}

const languages = () =>
  z
    .array(z.enum(TAGS))
    .min(1, 'needs at least one language')
    .refine((tags) => new Set(tags).size === tags.length, 'names a language twice')
    .prefault([...TAGS])
    .transform((tags) => tags as unknown as NonEmpty<Language>)
    .meta({
      description:
        'Languages of the pages. `Accept-Language` decides between them; people who accept none of them get the first. With one language, everybody gets it.',
    });

const colour = () =>
  z
    .string()
    .regex(/^#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$/, 'is not a colour: write #rgb or #rrggbb')
    .optional();

/** The section. */
export const pages = (context: SchemaContext) =>
  z.strictObject({
    languages: languages(),
    name: z.string().min(1).max(60).optional().meta({
      description:
        'Name of your organization or product: in the titles of pages, and above their headings where there is no logo.',
    }),
    logoFile: filePath(context)
      .optional()
      .meta({
        description: `Logo above the heading: SVG or PNG, at most ${MAX_LOGO_BYTES / 1_024} KiB. It is part of each page. An SVG with scripts, or that refers to other files, is refused.`,
      }),
    accent: z
      .strictObject({
        light: colour().meta({ description: 'On a light page, which is white. Default: a blue.' }),
        dark: colour().meta({ description: 'On a dark page, which is #1f2226. Default: a light blue.' }),
      })
      .prefault({})
      .meta({
        description:
          'Colour of buttons and links, as #rgb or #rrggbb. It has to be readable: a contrast of at least 4.5:1 (WCAG 2.2, 1.4.3).',
      }),
  });

/** `pages`, loaded. */
export type PagesConfig = z.output<ReturnType<typeof pages>>;

/** What is in the files of the section. */
export interface PageFiles {
  /** A `data:` URI; `null` without a logo. */
  readonly logo: string | null;
}

/** Reads the files of the section. */
export async function readPages({ logoFile }: PagesConfig, reader: FileReader): Promise<PageFiles> {
  return { logo: await reader.read(['pages', 'logoFile'], logoFile, readLogo, null) };
}
