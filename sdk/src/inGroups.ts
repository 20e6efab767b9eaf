/** @returns The items in groups of this size, the last one smaller where they do not come out even. */
export async function* inGroups<item>(
  items: AsyncIterable<item> | Iterable<item>,
  size: number,
): AsyncGenerator<item[], void, undefined> {
  let group: item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
