/**
 * The status that the processes of a gateway report, for the admin page and `sallyport doctor`. Names and figures only: no
 * secret, no token, nothing from requests. Plain data that can cross between processes; times are ISO 8601, durations are
 * in milliseconds.
 */

/** A key that verifies tokens. */
interface KeyStatus {
  /** `null` for a key without a name. */
  readonly kid: string | null;
  readonly algorithms: readonly string[];
}

/** The keys of an issuer of service tokens, or of an identity provider. */
export interface KeySetStatus {
  readonly name: string;
  /** `issuer`, and what kind of one; or `identity provider`. */
  readonly kind: string;
  /** Whether it is fetched, so that it can be missing and ages. */
  readonly isFetched: boolean;
  /** Since the last successful fetch; `null`: never fetched. 0 where nothing is fetched. */
  readonly ageMs: number | null;
  readonly keys: readonly KeyStatus[];
}

/** A key that signs the gateway's tokens, has signed them, or will. */
export interface SigningKeyStatus {
  readonly kid: string;
  readonly state: 'next' | 'active' | 'retired';
  /** `null` for a key that was always active: in memory, or a shared secret. */
  readonly createdAt: string | null;
  readonly activatesAt: string | null;
}

/** The feed of revocations, as one process knows it. */
export interface FeedStatus {
  readonly isConnected: boolean;
  /** Since the moment up to which everything published has provably arrived; `null`: never. */
  readonly provenAgeMs: number | null;
  /** For how long it has delivered without a gap; `null` while it is cut, and where it never had one. */
  readonly unbrokenForMs: number | null;
}

/** One process that serves. */
export interface ProcessStatus {
  /** `gateway`, or `worker` and its number. */
  readonly process: string;
  readonly pid: number;
  /** When the gateway in it was opened. */
  readonly startedAt: string;
  readonly connections: number;
  readonly requestsInProgress: number;
  readonly cachedSessions: number;
  /** Memory of the process, in bytes. */
  readonly residentBytes: number;
  readonly store: { readonly description: string; readonly isAvailable: boolean };
  readonly feed: FeedStatus;
  readonly keySets: readonly KeySetStatus[];
  readonly signingKeys: readonly SigningKeyStatus[];
}

/** Which rows of a long list are wanted. */
export interface PageOf {
  /** Rows before the first one. */
  readonly from: number;
  readonly count: number;
  /** Only rows that contain this text, in any case; empty: all. */
  readonly find: string;
}

/** Some rows of a list. */
export interface Listed<Row> {
  readonly rows: readonly Row[];
  /** How many rows the whole list has that match `find`. */
  readonly total: number;
}

/** What was counted of a route since the process started, or since the route came into the configuration. */
interface RouteCounts {
  readonly requests: number;
  /** By the rules: a 4xx with a reason. */
  readonly refused: number;
  /** By a fault: of an upstream, a dependency, the gateway. */
  readonly failed: number;
  readonly inProgress: number;
}

/** One pattern of a route, at its place in the order of matching. */
export interface RouteStatus {
  readonly id: string;
  /** `public`, or `outbound` for a destination. */
  readonly listener: string;
  readonly pattern: string;
  readonly methods: string;
  /** What callers present; of a destination the token that the gateway adds. */
  readonly credential: string;
  readonly allow: string;
  readonly upstream: string;
  /** Of the route, all patterns together. */
  readonly counts: RouteCounts;
}

/** One server of an upstream, as the requests to it left it. */
export interface ServerStatus {
  readonly origin: string;
  /** Processes that have ejected it, and send nothing to it. */
  readonly ejectedIn: number;
  /** Until the last of them tries it again; 0 where none has ejected it. */
  readonly ejectedForMs: number;
  readonly requestsInProgress: number;
  readonly busyConnections: number;
  readonly idleConnections: number;
}

/** One upstream. */
export interface UpstreamStatus {
  readonly name: string;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** The processes that this covers. */
  readonly processes: number;
  readonly servers: readonly ServerStatus[];
}
