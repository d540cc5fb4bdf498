/** The worked example of a way to log in: anyone may log in as a guest, with the role from the configuration. */

import type { Example } from './example.ts';

/** A key, a panel of the login page, and an endpoint that opens a session. */
export const GUEST_LOGIN: Example = {
  newFiles: {
    'src/endpoints/login/guest/guest-login.ts': `/**
 * guest: logging in without an account. Each guest gets a session with a new subject and one role.
 */

import { Denial } from '../../../errors.ts';
import type { Exchange } from '../../../exchange.ts';
import { html } from '../../../lib/text/html.ts';
import { randomHex } from '../../../lib/crypto/random-hex.ts';
import type { ScreenedRequest } from '../../../sanitize/sanitize.ts';
import { parseForm, readBody } from '../../body.ts';
import { describeDevice } from '../../device.ts';
import { type EndpointParts, presentedHandle, sourceOf } from '../../parts.ts';
import type { LoginPanel } from '../pages.ts';

/** The button on the login page. */
export const guestPanel =
  (basePath: string): LoginPanel =>
  ({ returnTo }) => html\`<form method="post" action="\${basePath}/login/guest">
<input type="hidden" name="return_to" value="\${returnTo}">
<button class="quiet full">Continue as a guest</button>
</form>\`;

/** Handles the form of the button. */
export class GuestEndpoint {
  readonly #parts: EndpointParts;
  readonly #role: string;

  /** @param role  of every guest */
  constructor(parts: EndpointParts, role: string) {
    this.#parts = parts;
    this.#role = role;
  }

  /** Opens a session and redirects as the login page would have done. */
  async logIn(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { originProblem, bodyTimeoutMs, opener, responder, returnTargets } = this.#parts;
    const foreign = originProblem(request, 'page');
    if (foreign !== null) return foreign;
    const text = await readBody(exchange, request, bodyTimeoutMs);
    if (text instanceof Denial) return text;
    const form = parseForm(text);
    if (form instanceof Denial) return form;
    const { setCookieLine } = await opener.open(
      {
        subject: \`guest-\${randomHex(32)}\`,
        user: { roles: [this.#role] },
        method: 'guest',
        device: describeDevice(request.fields.userAgent, request.clientAddress),
        account: 'guest',
        replaces: await presentedHandle(this.#parts, request),
      },
      sourceOf(exchange, request),
    );
    const returnTo = returnTargets.read(form.get('return_to') ?? null);
    responder.redirect(exchange, 303, returnTo, ['Set-Cookie', setCookieLine]);
    return null;
  }
}
`,
  },
  edits: {
    'src/endpoints/login/section.ts': [
      {
        after: 'export const login = (context: SchemaContext) =>\n  z.strictObject({\n',
        insert: `    guest: z
      .strictObject({ role: z.string().min(1).prefault('guest').meta({ description: 'Role of every guest.' }) })
      .optional()
      .meta({ description: 'Anyone may log in as a guest.' }),
`,
      },
      { after: 'const LOGIN_WAYS = [', insert: "'guest', " },
    ],
    'src/endpoints/login/login.ts': [
      {
        after: "from '../parts.ts';\n",
        insert: "import { GuestEndpoint, guestPanel } from './guest/guest-login.ts';\n",
      },
      {
        after: 'export interface LoginWays extends LoginPageSettings {\n',
        insert: '  readonly guestRole: string | null;\n',
      },
      { after: 'LoginWays): EndpointRow[] {\n  const { ', insert: 'guestRole, ' },
      { after: 'const panels = [', insert: '...(guestRole === null ? [] : [guestPanel(parts.basePath)]),\n' },
      {
        after: '  const rows = [\n',
        insert: `    ...(guestRole === null
      ? []
      : [row('POST', '/login/guest', (exchange, request) => new GuestEndpoint(parts, guestRole).logIn(exchange, request))]),
`,
      },
    ],
    'src/endpoints/login/open.ts': [
      { after: 'ownPage: page ?? null,\n', insert: '    guestRole: login.guest?.role ?? null,\n' },
    ],
    'src/pages/words/en.ts': [{ after: "      password: 'password',\n", insert: "      guest: 'nobody: a guest',\n" }],
    'src/pages/words/de.ts': [
      { after: "      password: 'Passwort',\n", insert: "      guest: 'niemanden: ein Gast',\n" },
    ],
    'src/store/session-record.ts': [{ after: 'LOGIN_METHOD_LETTERS = { ', insert: "guest: 'g', " }],
  },
};
