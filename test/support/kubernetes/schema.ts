/**
 * Validates Kubernetes objects against an API server's schemas, without a server: types, required and unknown fields,
 * enums and patterns, from `test/shipping/fixtures/kubernetes-schemas.json`. Rules that are only in the server's code
 * (names that must be unique, selectors that must match) are not in a schema.
 */

import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** An object as written in a manifest. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The part of JSON Schema that the fixture uses. */
export interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  /** The field by which a strategic merge patch identifies an entry of a list. */
  readonly 'x-kubernetes-patch-merge-key'?: string;
}

interface Fixture {
  readonly kinds: Readonly<Record<string, string>>;
  readonly $defs: Readonly<Record<string, Schema>>;
}

const FIXTURE = new URL('../../shipping/fixtures/kubernetes-schemas.json', import.meta.url);
const { kinds, $defs } = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Fixture;
const compiled = new Map<string, z.ZodType>();

/**
 * The schema of an object's kind.
 *
 * @throws Error for a kind that is not in the fixture
 */
export function schemaOf({ apiVersion, kind }: KubernetesObject): Schema {
  const id = kinds[`${apiVersion} ${kind}`];
  if (id === undefined) throw new Error(`no schema of ${apiVersion} ${kind}: add it to extract-schemas.ts`);
  return { $ref: `#/$defs/${id}` };
}

/** A schema, or the one that it refers to. Keywords beside a reference stay. */
export function resolved(schema: Schema): Schema {
  const { $ref, ...beside } = schema;
  return $ref === undefined ? schema : { ...resolved($defs[$ref.slice('#/$defs/'.length)] as Schema), ...beside };
}

/** What the API server would refuse in an object, one per line: `spec.replicas: Invalid input: expected number, …`. */
export function schemaProblems(object: KubernetesObject): string[] {
  const id = `${object.apiVersion} ${object.kind}`;
  const schema =
    compiled.get(id) ?? z.fromJSONSchema({ ...schemaOf(object), $defs } as Parameters<typeof z.fromJSONSchema>[0]);
  compiled.set(id, schema);
  const issues = schema.safeParse(object).error?.issues ?? [];
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}
