/** The site: its name, its sidebar, and what keeps it small and local. See docs/adr/0034-the-documentation-site.md. */

import starlight from '@astrojs/starlight';
import { defineConfig, passthroughImageService } from 'astro/config';
import { sidebar } from './navigation.ts';
import { REPOSITORY_URL, SITE_BASE, SITE_ORIGIN } from './pages.ts';

/** Wide tables scroll inside of the page: with the keyboard, too. */
const SCROLLED_BY_KEYBOARD = `addEventListener('DOMContentLoaded', () => {
  for (const table of document.querySelectorAll('table')) if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
});`;

export default defineConfig({
  site: SITE_ORIGIN,
  base: SITE_BASE,
  trailingSlash: 'always',
  image: { service: passthroughImageService() },
  integrations: [
    starlight({
      title: 'Sallyport',
      description: 'An authentication gateway: a session cookie goes in, a two-minute JWT goes upstream.',
      sidebar: [...sidebar()],
      social: [{ icon: 'github', label: 'Source', href: REPOSITORY_URL }],
      customCss: ['./src/styles/site.css'],
      head: [{ tag: 'script', content: SCROLLED_BY_KEYBOARD }],
      tableOfContents: { minHeadingLevel: 2, maxHeadingLevel: 3 },
    }),
  ],
});
