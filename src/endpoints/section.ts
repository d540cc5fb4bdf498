/** `basePath`: where the gateway's own endpoints are. */

import { z } from 'zod';

/** `basePath`. */
export const basePath = () =>
  z
    .string()
    .regex(/^\/[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*$/, 'must be a path such as /auth')
    .prefault('/auth')
    .meta({
      description: "Path of the gateway's own endpoints (login, logout, session). /oauth2 replaces oauth2-proxy.",
    });
