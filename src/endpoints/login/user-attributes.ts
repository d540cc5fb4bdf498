/**
 * What a session may say about its user: what a users file or a trusted backend gives, bounded, because it is stored
 * with every session and ends up in tokens and headers.
 */

import { z } from 'zod';

/** Largest size of a user's attributes, as JSON. */
export const MAX_ATTRIBUTES_BYTES = 2_048;

/** Text of one line, without control characters and marks that turn the direction of reading (LOG-02). */
export const visibleText = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]+$/u, 'must be one line without control characters')
    .refine((text) => text === text.trim(), 'must not begin or end with white space');

/** The names by which the configuration can refer to attributes: `user.<name>`. */
export const attributeName = () =>
  z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not an attribute name: use letters, digits, "_" and "-"');

/** Attribute name → JSON value. */
export const attributesSchema = () => z.record(attributeName(), z.json());

/** Whether attributes are larger than a session carries. */
export const areTooLarge = (attributes: object): boolean =>
  Buffer.byteLength(JSON.stringify(attributes)) > MAX_ATTRIBUTES_BYTES;
