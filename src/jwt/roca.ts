/**
 * Detects RSA keys from a faulty generator, whose moduli can be factored (ROCA, CVE-2017-15361).
 *
 * Its primes are `k · M + (65537^a mod M)` with `M` the product of the first primes, so that the modulus is a power of
 * 65537 modulo every one of them. About one sound modulus in 2^27 is rejected by accident.
 *
 * @see Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §3
 */

const GENERATOR = 65_537;
/** The primes up to 167: those that every key length of that generator has in common. */
const PRIMES = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
  113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/** The remainders of the powers of 65537, by prime. */
const REMAINDERS: ReadonlyMap<bigint, ReadonlySet<bigint>> = new Map(
  PRIMES.map((prime) => [BigInt(prime), powersModulo(prime)]),
);

/** Whether a modulus has the mark of the faulty generator. */
export function isRocaModulus(modulus: bigint): boolean {
  for (const [prime, remainders] of REMAINDERS) if (!remainders.has(modulus % prime)) return false;
  return true;
}

function powersModulo(prime: number): ReadonlySet<bigint> {
  const powers = new Set<bigint>();
  for (let power = 1; !powers.has(BigInt(power)); power = (power * GENERATOR) % prime) powers.add(BigInt(power));
  return powers;
}
