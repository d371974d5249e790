/** Runs each group of a batch by itself, one after the other; the results come in the order of the batch. */
export async function byGroup<Item, Key, Result>(
  batch: readonly Item[],
  keyOf: (item: Item) => Key,
  run: (key: Key, group: Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const groups = new Map<Key, number[]>();
  for (const [place, item] of batch.entries()) {
    const key = keyOf(item);
    const places = groups.get(key);
    if (places) places.push(place);
    else groups.set(key, [place]);
  }
  const results = new Array<Result>(batch.length);
  for (const [key, places] of groups) {
    const answers = await run(
      key,
      places.map((place) => batch[place]!),
    );
    for (const [n, place] of places.entries()) results[place] = answers[n]!;
  }
  return results;
}
