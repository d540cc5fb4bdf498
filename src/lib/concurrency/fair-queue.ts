/**
 * A queue that shares its places fairly: groups take turns, and so do the members within a group. A group that fills the queue
 * gives up places to groups with fewer, so no group can keep another one out.
 */

/** A level of the queue: the items of one member, or the members of one group by name. */
class Share<T> {
  size = 0;
  readonly #items: T[] = [];
  readonly #members = new Map<string, Share<T>>();

  add(item: T, path: readonly string[], depth: number): void {
    this.size += 1;
    const name = path[depth];
    if (name === undefined) {
      this.#items.push(item);
      return;
    }
    const member = this.#members.get(name) ?? new Share();
    this.#members.set(name, member);
    member.add(item, path, depth + 1);
  }

  oldest(path: readonly string[], depth: number): T | undefined {
    const name = path[depth];
    return name === undefined ? this.#items[0] : this.#members.get(name)?.oldest(path, depth + 1);
  }

  /** Takes the oldest item of the member whose turn it is. */
  next(): T | undefined {
    const [turn] = this.#members;
    if (turn === undefined) return this.#taken(this.#items.shift());
    const [name, member] = turn;
    const item = member.next();
    this.#members.delete(name);
    if (member.size > 0) this.#members.set(name, member);
    return this.#taken(item);
  }

  /**
   * Makes room for an item on the path: takes the newest item of the largest member. Takes nothing if the member on the path
   * would then be as large.
   */
  giveUp(path: readonly string[], depth: number): T | undefined {
    const name = path[depth];
    if (name === undefined) return undefined;
    const own = this.#members.get(name);
    const [largestName, largest] = this.#largest(name);
    if (largest === undefined) return undefined;
    if (largest === own) return this.#taken(own.giveUp(path, depth + 1));
    if ((own?.size ?? 0) + 1 >= largest.size) return undefined;
    return this.#takeNewest(largestName, largest);
  }

  #newest(): T | undefined {
    const [name, largest] = this.#largest('');
    return largest === undefined ? this.#taken(this.#items.pop()) : this.#takeNewest(name, largest);
  }

  #takeNewest(name: string, member: Share<T>): T | undefined {
    const item = member.#newest();
    if (member.size === 0) this.#members.delete(name);
    return this.#taken(item);
  }

  /** The largest member; among equals the named one. `undefined` in its place when there is none. */
  #largest(name: string): [string, Share<T> | undefined] {
    let largest: [string, Share<T> | undefined] = [name, this.#members.get(name)];
    for (const entry of this.#members) if (entry[1].size > (largest[1]?.size ?? 0)) largest = entry;
    return largest;
  }

  #taken(item: T | undefined): T | undefined {
    if (item !== undefined) this.size -= 1;
    return item;
  }
}

/** The queue. An item is added under the names of its group and, below that, its member, or under that of its group alone. */
export class FairQueue<T extends object> {
  readonly #root = new Share<T>();

  get size(): number {
    return this.#root.size;
  }

  /**
   * Adds an item. A full queue admits it only if its group, or its member within the group, has fewer items than another, which
   * then gives up its newest.
   *
   * @param path  names of the group and the member
   * @param max   items that the queue holds; default: any number
   * @returns the item that has to leave; `null` when there is room, and the new item itself when it is not admitted
   */
  add(item: T, path: readonly string[], max: number = Number.POSITIVE_INFINITY): T | null {
    const isFull = this.size >= max;
    const out = isFull ? this.#root.giveUp(path, 0) : null;
    if (out === undefined) return item;
    this.#root.add(item, path, 0);
    return out;
  }

  /** The oldest item of a member; `undefined` when it has none. */
  oldestOf(path: readonly string[]): T | undefined {
    return this.#root.oldest(path, 0);
  }

  /** Takes the next item: groups take turns, and so do the members of each. */
  next(): T | undefined {
    return this.#root.next();
  }

  /** Takes all items. */
  clear(): T[] {
    const items: T[] = [];
    for (let item = this.next(); item !== undefined; item = this.next()) items.push(item);
    return items;
  }
}
