/** The grammar of header fields (RFC 9110 §5.1, §5.5), for headers that no HTTP parser has read, or that none may have to. */

import { trim } from '../text/trim.ts';

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a text is a token (RFC 9110 §5.6.2), as the name of a header and a method are. */
export const isToken = (text: string): boolean => TOKEN.test(text);

/** Whether a text, each character a byte, can be the value of a header. White space at its ends is not part of one. */
export const isFieldValue = (text: string): boolean => FIELD_VALUE.test(text);

/** The values of a header in a flat name, value list, one for each line. @param name  in lower case */
export const valuesIn = (headers: readonly string[], name: string): string[] =>
  headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name);

/** The items of a header that lists tokens, such as Connection, in lower case (RFC 9110 §5.6.1). Empty ones are not left out. */
export const listItems = (value: string): string[] => value.split(',').map((item) => trim(item).toLowerCase());
