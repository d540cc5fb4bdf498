/** The section `revocation`: tokens that are refused before they expire (docs/how-to/revoke-tokens.md). */

import { z } from 'zod';
import { optionalDuration } from '../../config/fields.ts';

/** The section. */
export const revocation = () =>
  z.strictObject({
    outageGrace: optionalDuration({ atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How long service tokens are accepted after it was last proven that news of revoked tokens arrives; then they get 503 until it does. Left out: for as long as they live, which is upstreamToken.lifetime for our own.',
    }),
  });

/** `revocation`, loaded. */
export type RevocationConfig = z.output<ReturnType<typeof revocation>>;
