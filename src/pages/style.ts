/** How the pages look: one small style sheet, in light and in dark, from a window of 320 pixels on. */

import { readableOn } from './contrast.ts';

/** Colours by what they are for; test/pages/page.test.ts checks their contrast (WCAG 2.2, 1.4.3 and 1.4.11). */
const LIGHT = {
  ink: '#1b1f24',
  soft: '#545c66',
  paper: '#f3f5f8',
  card: '#fff',
  edge: '#dde1e7',
  line: '#7a828d',
  accent: '#0b57d0',
  'on-accent': '#fff',
  alert: '#a31515',
  'alert-paper': '#fdeeed',
};
const DARK: typeof LIGHT = {
  ink: '#e8eaed',
  soft: '#aab2bc',
  paper: '#141619',
  card: '#1f2226',
  edge: '#33383f',
  line: '#8a929c',
  accent: '#a8c7fa',
  'on-accent': '#062e6f',
  alert: '#ffb4ab',
  'alert-paper': '#3b1f1e',
};

/** The background of links and quiet buttons, in each scheme: an accent has to be readable on it. */
export const CARDS = { light: LIGHT.card, dark: DARK.card } as const;

/** Colours of buttons and links; `undefined`: the gateway's own. */
export interface Accents {
  readonly light?: string | undefined;
  readonly dark?: string | undefined;
}

const colours = (scheme: typeof LIGHT, accent: string | undefined) =>
  Object.entries(accent === undefined ? scheme : { ...scheme, accent, 'on-accent': readableOn(accent) })
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');

/** The style sheet of every page. */
export const styleSheet = ({ light, dark }: Accents): string => `:root{color-scheme:light dark;${colours(LIGHT, light)}}
@media (prefers-color-scheme:dark){:root{${colours(DARK, dark)}}}
${RULES}`;

const RULES = `*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{width:100%;max-width:26rem;padding:2rem;background:var(--card);border:1px solid var(--edge);border-radius:.75rem}
main.wide{max-width:46rem}
main>:last-child{margin-bottom:0}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem 1rem;margin:0 0 1.25rem;font-weight:600}
header img{display:block;height:3rem;max-width:100%;object-fit:contain}
h1{margin:0 0 1.25rem;font-size:1.5rem;line-height:1.25}
p,form{margin:0 0 1rem}
label{display:block;margin:0 0 .25rem;font-weight:600}
input{width:100%;min-height:2.75rem;margin:0 0 1.25rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:.375rem;background:var(--card);color:var(--ink);font:inherit}
input[aria-invalid]{border-color:var(--alert)}
.check{display:flex;align-items:center;gap:.5rem;margin:0 0 1.25rem;font-weight:400}
.check input{flex:none;width:1.5rem;min-height:1.5rem;margin:0;accent-color:var(--accent)}
button,.button{display:inline-flex;align-items:center;justify-content:center;min-height:2.75rem;padding:.5rem 1.25rem;border:1px solid transparent;border-radius:.375rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
button.quiet{background:none;border-color:var(--line);color:var(--accent)}
.full{width:100%}
.button.provider{gap:.75rem;margin:0 0 .75rem;border-color:var(--line);background:none;color:var(--ink)}
.provider img{flex:none;width:1.5rem;height:1.5rem;object-fit:contain}
.or{display:flex;align-items:center;gap:1rem;margin:1.25rem 0;color:var(--soft)}
.or::before,.or::after{content:"";flex:1;border-top:1px solid var(--edge)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
a{color:var(--accent)}
.alert{padding:.75rem 1rem;border-left:4px solid var(--alert);border-radius:.25rem;background:var(--alert-paper);color:var(--alert);font-weight:600}
.note{padding:.75rem 1rem;border-left:4px solid var(--accent);border-radius:.25rem;background:var(--paper)}
.small{color:var(--soft);font-size:.875rem}
.badge{display:inline-block;padding:0 .5rem;border:1px solid var(--line);border-radius:1rem;color:var(--soft);font-size:.875rem;white-space:nowrap}
ul{margin:0 0 1rem;padding:0;list-style:none}
.links a{display:inline-block;padding:.25rem 0}
.sessions{border-top:1px solid var(--edge)}
.sessions li{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem 1.5rem;padding:1rem 0;border-bottom:1px solid var(--edge)}
.small time{white-space:nowrap}
.sessions div{flex:1 1 15rem;min-width:0}
.sessions p,.sessions form,.sessions dl,.sessions dd{margin:0}
.sessions dl div{display:flex;flex-wrap:wrap;gap:0 .5rem}
.sessions dt{min-width:7rem}
@media (max-width:24rem){main{padding:1.25rem}}`;
