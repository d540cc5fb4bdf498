/** The pages of a whole gateway: their languages, their look, and what stays English. */

import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Files, FROM_OUR_PAGE, jsonOf, LoginStage, NAVIGATION, PASSWORD } from '../endpoints/login/fixture.ts';
import { HOST, parseTestConfig } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';

const GERMAN = 'Accept-Language: de-AT,de;q=0.9,en;q=0.5';

describe('a reader of German', () => {
  test('gets every page in German, marked as such for screen readers and caches', async () => {
    await using stage = await LoginStage.start();
    const mine = await stage.cookieOf('alice');
    for (const [path, heading, ...headers] of [
      ['/auth/login', 'Anmelden'],
      ['/auth/login?ended=1', 'Anmelden'],
      ['/auth/login', 'Sie sind angemeldet', mine],
      ['/auth/logout', 'Abmelden?'],
      ['/auth/logged-out', 'Sie sind abgemeldet'],
      ['/auth/sessions', 'Ihre Sitzungen', mine],
      ['/auth/nothing', 'Nicht gefunden'],
      ['/a%00b', 'Mehrdeutige Anfrage'],
    ] as const) {
      const response = await stage.get(path, GERMAN, ...NAVIGATION, ...headers);
      const body = response.body.toString();
      expect([path, /<h1>(.*?)<\/h1>/.exec(body)?.[1]]).toEqual([path, heading]);
      expect(body).toContain('<html lang="de">');
      expect(body).toMatch(/Anfragekennung: <code>[0-9a-f]+<\/code>/);
      expect(response.headers.get('content-language')).toBe('de');
      expect(response.headers.get('vary')).toBe('Accept-Language');
    }
  });

  test('reads in German why a login failed and when to try again', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { freeAttemptsPerAccount: 1 } } });
    const attempt = () => stage.submit({ username: 'alice', password: 'wrong' }, GERMAN);
    const first = (await attempt()).body.toString();
    expect(first).toContain('role="alert">Benutzername und Passwort passen nicht zusammen.</p>');
    expect(first).toContain('<title>Fehler: Anmelden</title>');
    await attempt();
    expect((await attempt()).body.toString()).toMatch(
      /Zu viele Versuche\. Versuchen Sie es in \d+ Sekunden? noch einmal\./,
    );
  });

  test('sees devices, dates and login methods in German', async () => {
    await using stage = await LoginStage.start();
    const mine = await stage.cookieOf('alice', 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0');
    await stage.gateway.gateway.sessions.open({
      subject: 'alice',
      user: {},
      method: 'backend',
      device: 'Opened by kiosk',
    });
    await stage.gateway.gateway.sessions.open({
      subject: 'alice',
      user: {},
      method: 'backend',
      device: 'Kasse 7, Halle 2',
    });
    const body = (await stage.get('/auth/sessions', GERMAN, ...NAVIGATION, mine)).body.toString();
    expect(body).toContain('<strong>Firefox unter Linux</strong> <span class="badge">Dieses Gerät</span>');
    expect(body).toMatch(/<dt>Geöffnet<\/dt> <dd><time datetime="[^"]+">\d\d\.\d\d\.\d{4}, \d\d:\d\d UTC<\/time>/);
    expect(body).toContain('<dt>Von</dt> <dd>127.0.0.1</dd>');
    expect(body).toContain('<dt>Angemeldet über</dt> <dd>Passwort</dd>');
    expect(body).toContain('<strong>Geöffnet von kiosk</strong>');
    // The gateway did not see that login, so it shows no address.
    expect(body).toContain('<strong>Kasse 7, Halle 2</strong>');
    expect(body.match(/<dt>Von<\/dt>/g)).toHaveLength(1);
  });

  test('gets the configured heading, whatever its language', async () => {
    await using stage = await LoginStage.start({ login: { title: 'Acme' } });
    expect((await stage.get('/auth/login', GERMAN, ...NAVIGATION)).body.toString()).toContain('<h1>Acme</h1>');
  });
});

describe('English', () => {
  test('is the language for programs, whatever they accept', async () => {
    await using stage = await LoginStage.start();
    const refused = await stage.get('/auth/nothing', GERMAN);
    expect(jsonOf(refused)).toMatchObject({ title: 'Not found', reason: 'route_not_found' });
    expect(refused.headers.has('vary')).toBe(false);
    const mine = await stage.cookieOf('alice', 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0');
    const { sessions } = jsonOf(await stage.get('/auth/sessions', GERMAN, mine));
    expect(sessions).toMatchObject([{ device: 'Firefox on Linux, 127.0.0.1' }]);
  });

  test('is the language of the logs', async () => {
    await using stage = await LoginStage.start();
    await stage.submit({ username: 'alice', password: 'wrong' }, GERMAN);
    expect(JSON.stringify([stage.gateway.log.records, stage.gateway.audit.records])).not.toMatch(/Benutzer|Anmeld|ü/);
  });

  test('is the language for a request that could not be parsed', async () => {
    await using stage = await LoginStage.start();
    const head = requestHead('GET', '/a', [HOST, GERMAN, ...NAVIGATION, 'X-A : 1']);
    const response = await rawRequest(stage.gateway.port, head);
    expect([response.status, response.headers.get('content-language')]).toEqual([400, 'en']);
    expect(response.body.toString()).toContain('<html lang="en">');
  });
});

test('a single configured language is for everyone, and does not vary', async () => {
  await using stage = await LoginStage.start({ config: { pages: { languages: ['de'] } } });
  const response = await stage.get('/auth/login', 'Accept-Language: en', ...NAVIGATION);
  expect(response.body.toString()).toContain('<h1>Anmelden</h1>');
  expect(response.headers.has('vary')).toBe(false);
  const unread = await rawRequest(stage.gateway.port, requestHead('GET', '/a', [HOST, ...NAVIGATION, 'X-A : 1']));
  expect(unread.body.toString()).toContain('<h1>Fehlerhafte Anfrage</h1>');
});

test('the first configured language is for readers who accept none of them', async () => {
  await using stage = await LoginStage.start({ config: { pages: { languages: ['de', 'en'] } } });
  const headingFor = async (language: string) =>
    /<h1>(.*?)<\/h1>/.exec((await stage.get('/auth/login', `Accept-Language: ${language}`)).body.toString())?.[1];
  expect(await headingFor('fr')).toBe('Anmelden');
  expect(await headingFor('en-GB')).toBe('Log in');
});

test('a form that is answered in one language continues in it', async () => {
  await using stage = await LoginStage.start();
  const mine = await stage.cookieOf('alice');
  const out = await stage.send('POST', '/auth/logout', [mine, GERMAN, ...FROM_OUR_PAGE]);
  const page = await stage.get(out.headers.get('location') ?? '', GERMAN, ...NAVIGATION);
  expect(page.body.toString()).toContain('>Erneut anmelden</a>');
  expect((await stage.submit({ username: 'alice', password: PASSWORD }, GERMAN)).status).toBe(303);
});

describe('the look', () => {
  const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><path d="M0 0h1"/></svg>';

  test('has the configured logo, name and colours on every page, under its policy', async () => {
    await using files = new Files();
    const logoFile = await files.write('logo.svg', LOGO);
    const accent = { light: '#7a1f5c', dark: '#f2a7d8' };
    await using stage = await LoginStage.start({ config: { pages: { name: 'Acme & Co', logoFile, accent } } });
    const unread = await rawRequest(stage.gateway.port, requestHead('GET', '/a', [HOST, ...NAVIGATION, 'X-A : 1']));
    for (const response of [await stage.get('/auth/login'), await stage.get('/auth/nothing', ...NAVIGATION), unread]) {
      const body = response.body.toString();
      const data = Buffer.from(LOGO).toString('base64');
      expect(body).toContain(
        `<header><img src="data:image/svg+xml;base64,${data}" alt="Acme &amp; Co" height="48"></header>`,
      );
      expect(body).toMatch(/<title>[^<]+ – Acme &amp; Co<\/title>/);
      expect(body).toContain('--accent:#7a1f5c;--on-accent:#ffffff');
      expect(body).toContain('--accent:#f2a7d8;--on-accent:#000000');
      const style = /<style>([\s\S]*)<\/style>/.exec(body)?.[1] ?? '';
      const policy = response.headers.get('content-security-policy');
      expect(policy).toBe(
        `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      );
    }
  });

  test('shows the name as text without a logo, and then forbids images', async () => {
    await using stage = await LoginStage.start({ config: { pages: { name: '<img src=x>' } } });
    const response = await stage.get('/auth/login');
    expect(response.body.toString()).toContain('<header>&lt;img src=x&gt;</header>');
    expect(response.headers.get('content-security-policy')).not.toContain('img-src');
  });

  test('has a heading per language, and the default one in other languages', async () => {
    await using stage = await LoginStage.start({ login: { title: { de: 'Willkommen' } } });
    const heading = async (language: string) =>
      /<h1>(.*?)<\/h1>/.exec((await stage.get('/auth/login', `Accept-Language: ${language}`)).body.toString())?.[1];
    expect([await heading('de'), await heading('en')]).toEqual(['Willkommen', 'Log in']);
  });

  test('changes with a reload, but not if the new logo is unusable', async () => {
    await using files = new Files();
    await using stage = await LoginStage.start({ config: { pages: { name: 'Before' } } });
    const said = async () => /<header>(.*?)<\/header>/.exec((await stage.get('/auth/login')).body.toString())?.[1];
    const put = (pages: object) =>
      stage.gateway.apply(parseTestConfig({ config: { pages, login: { password: { usersFile: stage.usersFile } } } }));
    await put({ name: 'After' });
    expect(await said()).toBe('After');
    const logoFile = await files.write('logo.svg', LOGO.replace('<path', '<script/><path'));
    await expect(put({ logoFile })).rejects.toThrow('has a script');
    expect(await said()).toBe('After');
  });
});

describe('identity providers', () => {
  const provider = { clientId: 'shop', clientAuthentication: 'none' };
  const oidc = [
    { ...provider, name: 'corporate', label: 'Acme', issuer: 'https://127.0.0.1:9' },
    { ...provider, name: 'github', preset: 'github' },
  ];

  test('have a button each, with a name and a logo, next to the form; all keep the target', async () => {
    await using files = new Files();
    const logoFile = await files.write('acme.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
    const providers = [{ ...oidc[0], logoFile }, oidc[1]];
    await using stage = await LoginStage.start({ login: { oidc: providers } });
    const response = await stage.get('/auth/login?return_to=%2Forders%3Fpage%3D2', GERMAN, ...NAVIGATION);
    const body = response.body.toString();
    const links = [...body.matchAll(/<a class="button full provider" href="([^"]*)">(<img[^>]*>)?([^<]*)<\/a>/g)];
    expect(links.map(([, href, image, label]) => [href?.replaceAll('&amp;', '&'), image !== undefined, label])).toEqual(
      [
        ['/auth/login?return_to=%2Forders%3Fpage%3D2&provider=corporate', true, 'Mit Acme anmelden'],
        ['/auth/login?return_to=%2Forders%3Fpage%3D2&provider=github', false, 'Mit GitHub anmelden'],
      ],
    );
    expect(body).toContain('<p class="or">oder</p>');
    expect(response.headers.get('content-security-policy')).toContain('img-src data:;');
  });

  test('are the only choice without a form', async () => {
    await using stage = await LoginStage.start({ login: { password: undefined, oidc } });
    const body = (await stage.get('/auth/login', ...NAVIGATION)).body.toString();
    expect(body.match(/class="button full provider"/g)).toHaveLength(2);
    expect(body).not.toMatch(/class="or"|<form/);
  });

  test('are named in "your sessions", unless removed from the configuration', async () => {
    await using stage = await LoginStage.start({ login: { oidc } });
    const mine = await stage.cookieOf('alice');
    const login = { subject: 'u-1', sid: null, authTimeMs: null, acr: null, amr: [] };
    for (const name of ['corporate', 'gone']) {
      await stage.gateway.gateway.sessions.open({
        subject: 'alice',
        user: {},
        method: 'oidc',
        device: 'Firefox on Linux, 203.0.113.7',
        login: { ...login, provider: name },
      });
    }
    const body = (await stage.get('/auth/sessions', mine, ...NAVIGATION)).body.toString();
    const ways = [...body.matchAll(/<dt>Logged in by<\/dt> <dd>([^<]*)<\/dd>/g)].map(([, way]) => way);
    expect(ways.toSorted()).toEqual(['Acme', 'an identity provider', 'password']);
  });
});
