/** Columns of text, aligned. Widths are counted in code points; nothing here knows of colours. */

/**
 * Rows as lines, each column as wide as its widest cell; columns in `right` are flushed right.
 *
 * @param gap what stands between columns.
 */
export function alignedLines(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  gap = '  ',
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, width(cell));
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - width(cell));
        return right.includes(column) ? padding + cell : cell + padding;
      })
      .join(gap)
      .trimEnd(),
  );
}

function width(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
