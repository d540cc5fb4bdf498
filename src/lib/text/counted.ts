/** Numbers with their noun. */

/** `1 route`, `2 routes`. For nouns whose plural ends in s. */
export const counted = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
