/** The section `revocation`: tokens that are refused before they expire (docs/how-to/revoke-tokens.md). */

import { z } from 'zod';
import { optionalDuration } from '../../config/fields.ts';

/** The section. */
export const revocation = () =>
  z.strictObject({
    outageGrace: optionalDuration({ atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description:
        'How long service tokens are accepted after the last proof that revocations arrive; then they get 503 until revocations arrive again. Left out: as long as they live, which is upstreamToken.lifetime for tokens of the gateway.',
    }),
  });

/** `revocation`, loaded. */
export type RevocationConfig = z.output<ReturnType<typeof revocation>>;
