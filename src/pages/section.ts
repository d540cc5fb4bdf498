/** The section `pages`: what the gateway's own pages look like, and in which languages they are. */

import { z } from 'zod';
import type { NonEmpty } from '../lib/non-empty.ts';
import { LANGUAGES, type Language } from './words/languages.ts';

const TAGS = Object.keys(LANGUAGES) as readonly Language[];

const languages = () =>
  z
    .array(z.enum(TAGS))
    .min(1, 'needs at least one language')
    .refine((tags) => new Set(tags).size === tags.length, 'names a language twice')
    .prefault([...TAGS])
    .transform((tags) => tags as unknown as NonEmpty<Language>)
    .meta({
      description:
        'Languages of the pages. `Accept-Language` decides between them; who accepts none of them gets the first. One alone is used for everybody.',
    });

/** The section. */
export const pages = () => z.strictObject({ languages: languages() });

/** `pages`, loaded. */
export type PagesConfig = z.output<ReturnType<typeof pages>>;
