/** The site: its name, its sidebar, and what keeps it small and local. See docs/adr/0034-the-documentation-site.md. */

import { watch } from 'node:fs';
import starlight from '@astrojs/starlight';
import { defineConfig, passthroughImageService } from 'astro/config';
import { sidebar } from './navigation.ts';
import { REPOSITORY_URL, SITE_BASE, SITE_ORIGIN } from './pages.ts';
import { writePages } from './prepare.ts';

/** Wide tables scroll inside of the page: with the keyboard, too. */
const SCROLLED_BY_KEYBOARD = `addEventListener('DOMContentLoaded', () => {
  for (const table of document.querySelectorAll('table')) if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
});`;

/** While the site is developed, a document that changes changes its page. */
const followsDocuments = {
  name: 'follows-documents',
  hooks: {
    'astro:server:setup': () => void watch(new URL('../docs', import.meta.url), { recursive: true }, writePages),
  },
};

export default defineConfig({
  site: SITE_ORIGIN,
  base: SITE_BASE,
  trailingSlash: 'always',
  image: { service: passthroughImageService() },
  integrations: [
    followsDocuments,
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
