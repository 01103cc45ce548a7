// Words in which two captions differ.

const LARGEST = 4_000_000; // comparisons; beyond, all between the equal ends counts as different

// Words as the language has them: Chinese, Japanese and Thai have no spaces between them.
function wordsOf(text) {
  if (typeof Intl.Segmenter !== "function") return text.match(/\s+|\S+/g) ?? [];
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

// Both texts as runs `{text, differs}`.
function differences(one, other) {
  const sides = [one, other].map(wordsOf);
  const counted = sides.map((words) => words.filter((word) => word.trim()));
  const same = common(...counted.map((words) => words.map((word) => word.normalize())));
  return sides.map((words, side) => runs(words, same[side]));
}

// Which words are in a longest sequence that both have: two sets of places.
function common(one, other) {
  const found = [new Set(), new Set()];
  const keep = (left, right) => {
    found[0].add(left);
    found[1].add(right);
  };
  let start = 0;
  let [endOne, endOther] = [one.length, other.length];
  while (start < endOne && start < endOther && one[start] === other[start]) keep(start, start++);
  while (endOne > start && endOther > start && one[endOne - 1] === other[endOther - 1]) {
    keep(--endOne, --endOther);
  }
  const [height, width] = [endOne - start, endOther - start];
  if (height * width > LARGEST) return found;
  const longest = lengths(one.slice(start, endOne), other.slice(start, endOther));
  for (let row = 0, column = 0; row < height && column < width; ) {
    if (one[start + row] === other[start + column]) keep(start + row++, start + column++);
    else if (longest[row + 1][column] >= longest[row][column + 1]) row += 1;
    else column += 1;
  }
  return found;
}

// Length of the longest common sequence of what follows each two places.
function lengths(one, other) {
  const table = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let row = one.length - 1; row >= 0; row -= 1) {
    for (let column = other.length - 1; column >= 0; column -= 1) {
      table[row][column] =
        one[row] === other[column]
          ? table[row + 1][column + 1] + 1
          : Math.max(table[row + 1][column], table[row][column + 1]);
    }
  }
  return table;
}

// A space between two words that differ belongs to them.
function runs(words, same) {
  const found = [];
  let place = -1;
  let space = "";
  for (const word of words) {
    if (!word.trim()) {
      space += word;
      continue;
    }
    place += 1;
    const differs = !same.has(place);
    const last = found.at(-1);
    if (last?.differs === differs) last.text += space + word;
    else {
      if (space) last && !last.differs ? (last.text += space) : found.push({ text: space, differs: false });
      found.push({ text: word, differs });
    }
    space = "";
  }
  if (space) found.push({ text: space, differs: false });
  return found;
}
