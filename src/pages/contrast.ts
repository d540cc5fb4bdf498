/** The contrast of two colours, and the nearest colour that has enough of it (WCAG 2.2, 1.4.3). Colours are `#rrggbb` or `#rgb`. */

type Rgb = readonly [number, number, number];

/** The contrast ratio of two colours, from 1 to 21. */
export function contrastOf(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminanceOf(one), luminanceOf(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Black or white, whichever is easier to read on a colour: at least 4.58:1 for every colour. */
export const readableOn = (colour: string): string =>
  contrastOf(colour, '#ffffff') >= contrastOf(colour, '#000000') ? '#ffffff' : '#000000';

/**
 * The first colour on the way to black or white that has a contrast.
 *
 * @param on     the background
 * @param ratio  at most what black or white has on it
 */
export function nearestReadable(colour: string, on: string, ratio: number): string {
  const end = readableOn(on) === '#ffffff' ? 255 : 0;
  const from = rgbOf(colour);
  for (let percent = 0; percent < 100; percent += 1) {
    const mixed = from.map((channel) => Math.round(channel + ((end - channel) * percent) / 100));
    const candidate = `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
    if (contrastOf(candidate, on) >= ratio) return candidate;
  }
  return readableOn(on);
}

function rgbOf(colour: string): Rgb {
  const digits = colour.length === 4 ? colour.slice(1).replace(/./g, '$&$&') : colour.slice(1);
  const channel = (at: number) => Number.parseInt(digits.slice(at, at + 2), 16);
  return [channel(0), channel(2), channel(4)];
}

function luminanceOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = rgbOf(colour).map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
