/** `listeners.grpcAuthorizer`: where Envoy asks over gRPC whether a request may pass, and which proxies are trusted. */

import { z } from 'zod';
import { listenAddress, type SchemaContext, size } from '../../config/fields.ts';
import { tlsServer } from '../../listener/section.ts';
import { askingPeers } from '../section.ts';

/** The section. Other limits and timeouts of the listener are those of `listeners.public`. */
export const grpcAuthorizerListener = (context: SchemaContext) =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port, gRPC over HTTP/2, for proxies only.', restart: true }),
    peers: askingPeers(),
    tls: tlsServer(context).optional().meta({
      description: 'Terminate TLS here, with ALPN `h2`. Left out: plain HTTP/2 with prior knowledge.',
    }),
    maxMessageBytes: size('1MiB').meta({
      description:
        'Largest question, including the body that a proxy may add. A larger one gets RESOURCE_EXHAUSTED. Headers have the limits of `listeners.public.limits`.',
      restart: true,
    }),
    reflection: z.boolean().prefault(false).meta({
      description: 'Whether tools such as grpcurl can list the services. The health service is always available.',
      restart: true,
    }),
  });

/** `listeners.grpcAuthorizer`, loaded. */
export type GrpcAuthorizerConfig = z.output<ReturnType<typeof grpcAuthorizerListener>>;
