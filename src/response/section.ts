/** `problemTypeBase`: where the `type` of problem documents leads. */

import { z } from 'zod';

/** The page of the documentation that has a heading for each reason. The reason is appended to it. */
export const REASONS_PAGE = 'https://sallyport.github.io/sallyport/reference/reasons/#';

/** Stands for no link: RFC 9457 §4.2.1. */
const NO_LINK = 'about:blank';

const isBase = (text: string): boolean =>
  text === NO_LINK ||
  (/^https?:\/\/[\x21-\x7e]+$/.test(text) && URL.canParse(`${text}x`) && !/^\w+:\/\/[^/?#]*@/.test(text));

/** `problemTypeBase`; `null` for no link. */
export const problemTypeBase = () =>
  z
    .string()
    .refine(isBase, `must be an http or https URL without user and password, or ${NO_LINK}`)
    .prefault(REASONS_PAGE)
    .transform((text) => (text === NO_LINK ? null : text))
    .meta({
      kind: 'URL',
      description:
        'Where the `type` of problem documents (RFC 9457) leads: this, followed by the reason. Set it to your own page about the reasons, or to `about:blank` for no link. The gateway never fetches it.',
    });
