/** The grammar of header fields (RFC 9110 §5.1, §5.5), for headers that no HTTP parser has read. */

const FIELD_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether a text is the name of a header: a token. */
export const isFieldName = (text: string): boolean => FIELD_NAME.test(text);

/** Whether a text, each character a byte, can be the value of a header. White space at its ends is not part of one. */
export const isFieldValue = (text: string): boolean => FIELD_VALUE.test(text);
