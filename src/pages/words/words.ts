/**
 * words: everything that the gateway's pages say, one file per language. A page takes its words from a {@link Words}, so a
 * language that lacks one does not compile. Names, addresses and times are handed in; nothing here reads a request.
 *
 * What programs get (problem documents, JSON) and what is logged is always English.
 */

import type { Reason } from '../../errors.ts';
import type { en } from './en.ts';

/** The words of one language. */
export type Words = typeof en;

/** A heading and what it means, with what to do. */
export type Notice = Words['reasons'][Reason];
