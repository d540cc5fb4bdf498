/** How many there are, in words. */

/** `1 route`, `2 routes`. For words whose plural is made with an s. */
export const counted = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
